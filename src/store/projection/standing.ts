import { sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";
import type { ProjectionRow } from "../driver/built-entities.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { Run } from "../driver/transaction.ts";
import { CAUGHT_UP_TO, IS_MARKED } from "./caught-up.ts";

/** How far the index and the sums are. */
export type Standing = {
  readonly epoch: bigint;
  readonly feed: bigint;
  /** Undefined: nobody has begun. */
  readonly searchKeys: readonly string[] | undefined;
  /** Whether they are those of which this tells: see the marker. */
  readonly isMarked: boolean;
  /** All that was committed before is in them; undefined: they are being built. */
  readonly caughtUpTo: Micros | undefined;
  /** For how long that has been so; NaN: they are being built. */
  readonly lagSeconds: number;
  /** Whether the next step may be taken. */
  readonly isDue: boolean;
};

export async function readStanding(run: Run): Promise<Standing> {
  // A clock that was set back may say that the step is due in an hour.
  const { rows } = await run(sql<StandingRow>`
    select epoch, feed, search_keys, ${IS_MARKED} as is_marked, ${CAUGHT_UP_TO} as caught_up_to,
      extract(epoch from clock_timestamp() - ${CAUGHT_UP_TO}) as lag,
      coalesce(step_time not between clock_timestamp() and clock_timestamp() + interval '1 minute',
        true) as is_due
    from projection`);
  const { caught_up_to: time, lag, is_marked: isMarked, is_due: isDue, ...row } = rows[0]!;
  return {
    epoch: BigInt(row.epoch),
    feed: BigInt(row.feed),
    searchKeys: row.search_keys ?? undefined,
    isMarked,
    caughtUpTo: time === null ? undefined : fromTimestamptz(time),
    lagSeconds: lag === null ? Number.NaN : Number(lag),
    isDue,
  };
}

type StandingRow = ProjectionRow & {
  readonly is_marked: boolean;
  readonly lag: string | null;
  readonly is_due: boolean;
};
