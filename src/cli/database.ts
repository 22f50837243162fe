import { type Config, readConfig } from "../config/environment.ts";
import { unusable, UserError } from "../errors/user-error.ts";
import { openBeside } from "../postgres/database.ts";
import type { Orm } from "../store/driver/orm.ts";
import { pendingMigrations } from "../store/schema/migrate.ts";

/**
 * Opens the database that the environment names, beside servers that may be running on it, and
 * closes it afterwards.
 *
 * @param needs what to do with it: a standby can be read
 * @throws {UserError} if it is away, cannot be used, or has not the schema
 */
export async function withDatabase<T>(
  needs: "reads" | "writes",
  work: (orm: Orm, config: Config) => Promise<T>,
): Promise<T> {
  const config = readConfig(process.env);
  const database = await openBeside(config, needs === "writes");
  try {
    const pending = await pendingMigrations(database.orm.em.fork()).catch(unusable);
    if (pending.length > 0) {
      throw new UserError(`the database lacks ${pending.join(", ")}: run "npm run migrate" first`);
    }
    return await work(database.orm, config).catch(unusable);
  } finally {
    await database.close();
  }
}
