import type { Logger } from "pino";
import { repeat, type Repeated } from "../commit/repeat.ts";
import type { Orm } from "../store/driver/orm.ts";
import { STEP_EVERY_MS } from "../store/projection/step.ts";
import { NO_TURN, takeTurn, type Turn } from "./turn.ts";

const WARN_EVERY_MS = 60_000;

/**
 * Projector: keeps the index and the sums some seconds behind the journal, until `stop` is called,
 * which waits for the step under way. All servers of a ledger may run one: they take turns.
 *
 * @param orm the pool of batches, which has a connection for it: readers of the stream may take all
 *   of theirs, and may be at a standby
 * @param searchKeys the keys of metadata to index, if nobody has begun; else those that are indexed
 *   stay until they are built anew
 */
export function startProjector(
  orm: Orm,
  searchKeys: readonly string[] | undefined,
  log: Logger,
): Repeated {
  const tell = teller(searchKeys, log);
  let state = NO_TURN;
  return repeat(async () => {
    try {
      const turn = await takeTurn(orm, state, searchKeys ?? []);
      ({ state } = turn);
      tell.done(turn);
      return turn.waitMs;
    } catch (error) {
      state = NO_TURN;
      tell.failed(error);
      return STEP_EVERY_MS;
    }
  });
}

function teller(searchKeys: readonly string[] | undefined, log: Logger) {
  let warnedAt = Number.NEGATIVE_INFINITY;
  let isTold = false;
  return {
    done({ step }: Turn): void {
      if (step.kind === "emptied") log.warn(EMPTIED);
      if (isTold || step.kind !== "done" || searchKeys === undefined) return;
      if (isSame(searchKeys, step.searchKeys)) return;
      isTold = true;
      const indexed = step.searchKeys;
      log.warn({ indexed }, `SEARCH_KEYS is not what is indexed: ${REBUILD}`);
    },
    failed(err: unknown): void {
      const now = performance.now();
      if (now - warnedAt < WARN_EVERY_MS) return;
      warnedAt = now;
      log.warn({ err }, "adding entries to the index and the sums failed; it is tried again");
    },
  };
}

const EMPTIED =
  "the index and the sums were not whole, as after a restore of a dump that was made during a rebuild: " +
  "they are built anew";
const REBUILD = 'run "points project --rebuild" with the same SEARCH_KEYS';

function isSame(some: readonly string[], others: readonly string[]): boolean {
  const union = new Set([...some, ...others]);
  return union.size === new Set(some).size && union.size === new Set(others).size;
}
