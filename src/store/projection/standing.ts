import { sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";
import type { ProjectionRow } from "../driver/built-entities.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { Run } from "../driver/transaction.ts";

/** How far the index and the sums are. */
export type Standing = {
  readonly epoch: bigint;
  readonly feed: bigint;
  /** Undefined: nobody has begun. */
  readonly searchKeys: readonly string[] | undefined;
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
    select epoch, feed, search_keys, caught_up_to,
      extract(epoch from clock_timestamp() - caught_up_to) as lag,
      coalesce(step_time not between clock_timestamp() and clock_timestamp() + interval '1 minute',
        true) as is_due
    from projection`);
  const { epoch, feed, search_keys: keys, caught_up_to: time, lag, is_due: isDue } = rows[0]!;
  return {
    epoch: BigInt(epoch),
    feed: BigInt(feed),
    searchKeys: keys ?? undefined,
    caughtUpTo: time === null ? undefined : fromTimestamptz(time),
    lagSeconds: lag === null ? Number.NaN : Number(lag),
    isDue,
  };
}

type StandingRow = ProjectionRow & { readonly lag: string | null; readonly is_due: boolean };
