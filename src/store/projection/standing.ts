import { sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";
import type { ProjectionRow } from "../driver/entities.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { EntityManager } from "../driver/orm.ts";

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
};

export async function readStanding(em: EntityManager): Promise<Standing> {
  const { rows } = await sql<ProjectionRow & { lag: string | null }>`
    select epoch, feed, search_keys, caught_up_to,
      extract(epoch from clock_timestamp() - caught_up_to) as lag
    from projection`.execute(em.getKysely());
  const { epoch, feed, search_keys: keys, caught_up_to: time, lag } = rows[0]!;
  return {
    epoch: BigInt(epoch),
    feed: BigInt(feed),
    searchKeys: keys ?? undefined,
    caughtUpTo: time === null ? undefined : fromTimestamptz(time),
    lagSeconds: lag === null ? Number.NaN : Number(lag),
  };
}
