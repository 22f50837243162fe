import { type Config, readConfig } from "../config.ts";
import { openBeside } from "../database.ts";
import { pendingMigrations } from "../store/migrate.ts";
import type { Orm } from "../store/orm.ts";
import { unusable, UsageError } from "../usage.ts";

/**
 * Opens the database that the environment names, beside servers that may be running on it, and
 * closes it afterwards.
 *
 * @param needs what to do with it: a standby can be read
 * @throws {UsageError} if it is away, cannot be used, or has not the schema
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
      throw new UsageError(`the database lacks ${pending.join(", ")}: run "npm run migrate" first`);
    }
    return await work(database.orm, config).catch(unusable);
  } finally {
    await database.close();
  }
}
