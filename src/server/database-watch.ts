import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import type { Logger } from "pino";
import type { Orm } from "../store/orm.ts";

const EVERY_MS = 1_000;
const TIMEOUT_MS = 3_000;

/**
 * Asks the database every second whether it is there and takes writes, and tells `onChange` when
 * that changes, the first time included.
 *
 * @returns how to stop asking
 */
export function watchDatabase(
  orm: Orm,
  log: Logger,
  onChange: (isUp: boolean) => void,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  let was: boolean | undefined;

  async function run(): Promise<void> {
    while (!signal.aborted) {
      const isUp = await takesWrites(orm);
      if (isUp !== was && !signal.aborted) {
        if (!isUp) log.error("the database is away");
        if (isUp && was === false) log.info("the database is back");
        onChange(isUp);
      }
      was = isUp;
      await sleep(EVERY_MS, undefined, { signal }).catch(() => {});
    }
  }

  const running = run();
  return {
    stop() {
      stopping.abort();
      return running;
    },
  };
}

/** Whether the database is there and takes writes now. */
export function takesWrites(orm: Orm): Promise<boolean> {
  return Promise.race([
    isWritable(orm).catch(() => false),
    sleep(TIMEOUT_MS, false, { ref: false }),
  ]);
}

/** A standby is read-only too. */
async function isWritable(orm: Orm): Promise<boolean> {
  const { rows } = await sql<{ readonly: string }>`
    select current_setting('transaction_read_only') as readonly`.execute(orm.em.fork().getKysely());
  return rows[0]?.readonly === "off";
}
