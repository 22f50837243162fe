import type { Config } from "../config/environment.ts";
import { unusable, UserError } from "../errors/user-error.ts";
import type { Database } from "../postgres/database.ts";
import { durabilityGaps } from "../store/driver/durability.ts";
import { openOrm } from "../store/driver/orm.ts";
import { makeTestClock, removeTestClock } from "../store/driver/test-clock.ts";
import { migrate, pendingMigrations } from "../store/schema/migrate.ts";
import { isWorker } from "./worker.ts";

/** No statement of a server takes as long: it waits 2 s for a lock at most. */
export const ANSWER_MAX_MS = 10_000;

/**
 * Brings the schema up to date, or checks that it is, and checks that no answer can be lost. With
 * TEST_CLOCK it gives the database a clock for tests; without, it takes that away, unless the clock
 * was set forward: then it refuses the database.
 *
 * @throws {UserError} if the database cannot be used as it is
 */
export async function readyDatabase(config: Config, database: Database): Promise<void> {
  await prepareSchema(config, database).catch(unusable);
  await prepareClock(config, database).catch(unusable);
  // A worker that is replaced while the database is not durable starts, and says NOT_SERVING.
  if (config.durability === "require" && !isWorker) await checkDurable(database).catch(unusable);
}

async function prepareSchema(config: Config, { orm, url }: Database): Promise<void> {
  if (config.migrate) {
    // Without a time limit: a migration may take long, and waits for that of another server.
    const patient = await openOrm(url, 2, { schema: config.databaseSchema });
    try {
      await migrate(patient, config.serverRole);
    } finally {
      await patient.close();
    }
    return;
  }
  const pending = await pendingMigrations(orm.em.fork());
  if (pending.length > 0) {
    throw new UserError(
      `the database lacks ${pending.join(", ")}, and MIGRATE=off: run "npm run migrate" first`,
    );
  }
}

async function prepareClock({ testClock }: Config, { orm }: Database): Promise<void> {
  if (isWorker) return; // Its parent has done it.
  await (testClock ? makeTestClock : removeTestClock)(orm.em.fork());
}

async function checkDurable({ orm }: Database): Promise<void> {
  const gaps = await durabilityGaps(orm.em.fork());
  if (gaps.length === 0) return;
  const found = gaps.map(({ what }) => what).join(", ");
  const mend = gaps.map((gap) => gap.mend).join(", ");
  throw new UserError(
    `DURABILITY=require, but answers may be lost in a crash, as the database has ${found}: ` +
      `${mend}, or start with DURABILITY=warn`,
  );
}
