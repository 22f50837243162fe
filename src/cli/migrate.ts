import { readConfig } from "../config/environment.ts";
import { unusable } from "../errors/user-error.ts";
import { openDatabase } from "../postgres/database.ts";
import { migrate } from "../store/schema/migrate.ts";
import { readArguments } from "./arguments.ts";

/** `points migrate`: brings the schema up to date. */
export async function runMigrate(args: readonly string[]): Promise<void> {
  readArguments(args, {}, []);
  const config = readConfig(process.env);
  const database = await openDatabase(config);
  try {
    const names = await migrate(database.orm, config.serverRole).catch(unusable);
    console.log(names.length === 0 ? "the schema is up to date" : `applied ${names.join(", ")}`);
  } finally {
    await database.close();
  }
}
