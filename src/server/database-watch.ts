import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import type { Logger } from "pino";
import { repeat } from "../commit/repeat.ts";
import type { Config } from "../config/environment.ts";
import { type DurabilityGap, durabilityGaps } from "../store/driver/durability.ts";
import type { Orm } from "../store/driver/orm.ts";

const EVERY_MS = 1_000;
const TIMEOUT_MS = 3_000;

/** The state of a database. */
type State = {
  /** Whether it answers and takes writes. */
  readonly isUp: boolean;
  /** The settings by which it may lose answers. */
  readonly gaps: readonly DurabilityGap[];
};

type Durability = Config["durability"];

export type DatabaseWatch = {
  /** Resolves after the first look. */
  readonly looked: Promise<void>;
  stop(): Promise<void>;
};

/**
 * Health check of the database: looks at it every second, logs each change, and calls `onChange`
 * when it begins or ceases to be fit to serve from, and after the first look.
 */
export function watchDatabase(
  orm: Orm,
  log: Logger,
  durability: Durability,
  onChange: (isFit: boolean) => void,
): DatabaseWatch {
  const looked = Promise.withResolvers<void>();
  let was: State | undefined;

  let answer: Promise<State>;

  const looks = repeat(async (signal) => {
    answer = stateOf(orm).catch(() => AWAY);
    const found = await Promise.race([answer, sleep(TIMEOUT_MS, AWAY, { ref: false })]);
    // While it is away its settings are unknown: the last known ones stay.
    const is = found.isUp ? found : { isUp: false, gaps: was?.gaps ?? [] };
    if (!signal.aborted) {
      logChange(log, durability, was, is);
      const isFit = isFitIn(is, durability);
      if (was === undefined || isFit !== isFitIn(was, durability)) onChange(isFit);
    }
    was = is;
    looked.resolve();
    return EVERY_MS;
  });

  return {
    looked: looked.promise,
    async stop() {
      await looks.stop();
      // Its result is of no use any more, but a pool cannot be closed while it gives a connection.
      await answer;
    },
  };
}

function isFitIn({ isUp, gaps }: State, durability: Durability): boolean {
  return isUp && (durability === "warn" || gaps.length === 0);
}

function logChange(log: Logger, durability: Durability, was: State | undefined, is: State): void {
  if (!is.isUp && was?.isUp !== false) log.error("the database is away");
  if (is.isUp && was?.isUp === false) log.info("the database is back");
  const [known, gaps] = [textOf(was?.gaps ?? []), textOf(is.gaps)];
  if (gaps === known) return;
  if (gaps === "") return log.info("the database is durable again");
  const level = durability === "require" ? "error" : "warn";
  log[level](`answers may be lost in a crash: the database has ${gaps}`);
}

function textOf(gaps: readonly DurabilityGap[]): string {
  return gaps.map(({ what }) => what).join(", ");
}

const AWAY: State = { isUp: false, gaps: [] };

async function stateOf(orm: Orm): Promise<State> {
  const em = orm.em.fork();
  // This tells a standby too: it is read-only.
  const { rows } = await sql<{ readonly: string }>`
    select current_setting('transaction_read_only') as readonly`.execute(em.getKysely());
  return rows[0]?.readonly === "off" ? { isUp: true, gaps: await durabilityGaps(em) } : AWAY;
}
