import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { repeat } from "../commit/repeat.ts";
import type { Micros } from "../ledger/time.ts";
import type { Orm } from "../store/driver/orm.ts";
import { inSnapshot } from "../store/driver/transaction.ts";
import { flushWal } from "../store/reads/feed.ts";
import { type Standby, TooBusy } from "../store/reads/lagging.ts";
import { type LedgerLife, lookAtStandby, readLife } from "../store/reads/standby.ts";
import { replayProgress } from "./replay-progress.ts";

const EVERY_MS = 1_000;
const TIMEOUT_MS = 3_000;
const MISSED_MAX_BEATS = 60;

/** The standby for reads, and how it is. */
export type StandbyWatch = Standby & { stop(): Promise<void> };

type Told = {
  readonly log: Logger;
  /** Told when it begins or ceases to be used. */
  readonly used: (isUsed: boolean) => void;
};

type Options = Told & {
  /** By a pool that reads do not use: a look must not wait for them. */
  readonly standby: Orm;
  readonly primary: Orm;
  /** How often it looks: by default each second. */
  readonly everyMs?: number;
  /** How many commits it may lack that the watch makes: by default 60. */
  readonly missedMaxBeats?: number;
};

/**
 * Health check of the standby for reads: looks at it every second, and has it used while it answers and
 * has the ledger's schema and its last epoch: one that lacks that may be the standby of a primary that
 * another was promoted beside.
 *
 * A standby knows how new it is by the last commit that it has replayed. So while nobody commits, the
 * watch does, by every second look. One that has replayed none of them for a minute follows another
 * primary, or none, and is not used.
 */
export function watchStandby(options: Options): StandbyWatch {
  const { standby, primary, ...told } = options;
  const { everyMs = EVERY_MS, missedMaxBeats = MISSED_MAX_BEATS } = options;
  const { ask, fine, away } = standbyUse(told);
  const progress = replayProgress(missedMaxBeats);
  let life: LedgerLife | undefined;
  let asking: Promise<LedgerLife> | undefined;
  let looking: Promise<Micros>;
  let beating: Promise<void> | undefined;

  /** The time that it is as of. */
  async function look(): Promise<Micros> {
    const asked = askPrimary();
    const found = await lookAtStandby(standby);
    const { pending, asOf } = found;
    const { ledgerId, epoch } = life ?? (await asked);
    if (found.ledgerId !== ledgerId) throw new Error("READS_URL leads to another ledger");
    if (pending.length > 0) throw new Error(`the standby lacks ${pending.join(", ")}`);
    if (found.epoch !== epoch) throw new Error("the standby's last epoch is not the primary's");
    return asOf;
  }

  /** The looks wait for the first answer alone: the primary may be away. */
  function askPrimary(): Promise<LedgerLife> {
    asking ??= inSnapshot(primary, readLife)
      .then((read) => (life = read))
      .finally(() => (asking = undefined));
    asking.catch(() => {});
    return asking;
  }

  /** The looks do not wait for it: the primary may be away. */
  function beat(): void {
    beating ??= flushWal(primary)
      .then(() => progress.committed())
      .catch(() => {})
      .finally(() => (beating = undefined));
  }

  const looks = repeat(async () => {
    looking = look();
    try {
      const is = await Promise.race([looking, tooLate()]);
      if (!progress.looked(is)) beat();
      if (progress.isStuck()) throw new Error("the standby replays no commit");
      fine();
    } catch (error) {
      away(error);
    }
    return everyMs;
  });

  return {
    ask,
    async stop() {
      await looks.stop();
      // Their results are of no use any more, but a pool cannot be closed while it gives a connection.
      await Promise.allSettled([looking, asking, beating]);
    },
  };
}

/** Whether the standby is used: not before the first look. */
function standbyUse({ log, used }: Told) {
  const underWay = new Set<() => void>();
  let isUsed: boolean | undefined;

  function fine(): void {
    if (isUsed === true) return;
    if (isUsed === false) log.info("the standby for reads is used again");
    isUsed = true;
    used(true);
  }

  function away(err: unknown): void {
    if (isUsed === false) return;
    log.warn({ err }, "the standby for reads cannot be used: the primary answers");
    isUsed = false;
    used(false);
    // None waits for a silent host for longer than a look does.
    for (const giveUp of underWay) giveUp();
  }

  const ask: Standby["ask"] = async (read) => {
    if (isUsed !== true) return undefined;
    const { promise: givenUp, resolve } = Promise.withResolvers<undefined>();
    const giveUp = () => resolve(undefined);
    underWay.add(giveUp);
    try {
      return await Promise.race([read().then((answer) => ({ answer })), givenUp]);
    } catch (error) {
      if (error instanceof TooBusy) throw error;
      // Whether it is away the looks find out: PostgreSQL ends a session also for a conflict with replay.
      return undefined;
    } finally {
      underWay.delete(giveUp);
    }
  };

  return { ask, fine, away };
}

async function tooLate(): Promise<never> {
  await sleep(TIMEOUT_MS, undefined, { ref: false });
  throw new Error(`the standby has not answered within ${TIMEOUT_MS / 1_000} s`);
}
