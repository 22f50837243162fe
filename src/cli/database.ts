import { type Config, readConfig } from "../config/environment.ts";
import { unusable, UserError } from "../errors/user-error.ts";
import { openBeside } from "../postgres/database.ts";
import type { Orm } from "../store/driver/orm.ts";
import { pendingMigrations } from "../store/schema/migrate.ts";

/**
 * Opens the database that the environment names, calls `work`, and closes it. Servers may be running
 * on the same database.
 *
 * @param needs "reads" also allows a standby
 * @throws {UserError} if the database is away, cannot be used, or lacks a migration
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
