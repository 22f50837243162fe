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

  let answer: Promise<boolean>;

  async function run(): Promise<void> {
    while (!signal.aborted) {
      answer = isPrimary(orm).catch(() => false);
      const isUp = await Promise.race([answer, sleep(TIMEOUT_MS, false, { ref: false })]);
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
    async stop() {
      stopping.abort();
      await running;
      // Nobody waits for it any more, but a pool can't be closed while somebody gets a connection.
      await answer;
    },
  };
}

async function isPrimary(orm: Orm): Promise<boolean> {
  const { rows } = await sql<{ standby: boolean }>`select pg_is_in_recovery() as standby`.execute(
    orm.em.fork().getKysely(),
  );
  return rows[0]?.standby === false;
}
