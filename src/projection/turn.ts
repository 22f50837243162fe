import { setTimeout as sleep } from "node:timers/promises";
import { faultOf } from "../errors/database-fault.ts";
import { type Horizons, look, NO_LOOK } from "../feed/horizon.ts";
import { FIRST_WIDTH, narrowed } from "../feed/width.ts";
import type { Orm } from "../store/driver/orm.ts";
import { type Step, STEP_EVERY_MS, stepProjection } from "../store/projection/step.ts";
import { lookForHorizon, summarizeFeed } from "../store/reads/feed.ts";

/** What a projector keeps from one turn to the next. */
export type TurnState = {
  readonly known: Horizons;
  readonly width: bigint;
  /** Whether the tables are known to be behind the horizon. */
  readonly isBehind: boolean;
};

/** Before the first turn. */
export const NO_TURN: TurnState = { known: NO_LOOK, width: FIRST_WIDTH, isBehind: false };

/** What a turn came to. */
export type Turn = {
  readonly state: TurnState;
  readonly step: Step;
  /** When the next turn is due, by this server. */
  readonly waitMs: number;
};

const LOOKS_MAX = 4;
const LOOK_EVERY_MS = 50;

/**
 * Looks how far the journal may be read, and adds the next part of it to the index and the sums.
 *
 * @param searchKeys for who begins: the keys of metadata to index
 */
export async function takeTurn(
  orm: Orm,
  state: TurnState,
  searchKeys: readonly string[],
): Promise<Turn> {
  // Also where the tables are behind the last horizon: what is caught up with is to be of now.
  const known = await lookFurther(orm, state.known);
  const horizon = known.horizon!;
  const since = performance.now();
  try {
    const step = await stepProjection(orm, { horizon, width: state.width, searchKeys });
    if (step.kind !== "done") {
      return { state: { ...state, known, isBehind: false }, step, waitMs: STEP_EVERY_MS };
    }
    const isBehind = !step.isAtHorizon;
    // As long as the step took, as the row says to other servers.
    const waitMs = isBehind ? performance.now() - since : STEP_EVERY_MS;
    return { state: { known, width: step.nextWidth, isBehind }, step, waitMs };
  } catch (error) {
    if (faultOf(error) !== "timeout" || state.width === 1n) throw error;
    const step = { kind: "not now" } as const;
    const waitMs = performance.now() - since;
    return {
      state: { known, width: widthAfterTimeout(state.width), isBehind: true },
      step,
      waitMs,
    };
  }
}

/** The width after a step that took too long: a step's entries are bounded, and the disk is slow. */
function widthAfterTimeout(width: bigint): bigint {
  return width > FIRST_WIDTH ? FIRST_WIDTH : narrowed(width);
}

/**
 * Looks until all that was committed before the first of these looks is below the horizon, or until
 * one transaction has held it back for long. A crash takes back what the step has added together with
 * the entries: no horizon waits for the disk.
 */
async function lookFurther(orm: Orm, before: Horizons): Promise<Horizons> {
  // Else it would read all of the table that vacuum has not seen yet.
  await summarizeFeed(orm).catch(() => {});
  let known = before;
  let first: bigint | undefined;
  for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
    if (looks > 0) await sleep(LOOK_EVERY_MS);
    const seen = await lookForHorizon(orm);
    known = look(known, { ...seen, flushedLsn: seen.lsn });
    first ??= seen.time;
    if ((known.horizon!.caughtUpTo ?? 0n) >= first) break;
  }
  return known;
}
