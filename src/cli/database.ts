import { type Config, readConfig } from "../config.ts";
import { openBeside } from "../database.ts";
import { pendingMigrations } from "../store/migrate.ts";
import type { Orm } from "../store/orm.ts";
import { unusable, UsageError } from "../usage.ts";

/**
 * Opens the database that the environment names, beside servers that may be running on it, and
 * closes it afterwards.
 *
 * @throws {UsageError} if it is away, or has not the schema
 */
export async function withDatabase<T>(work: (orm: Orm, config: Config) => Promise<T>): Promise<T> {
  const config = readConfig(process.env);
  const database = await openBeside(config);
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
