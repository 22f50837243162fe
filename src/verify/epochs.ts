import { sql } from "kysely";
import type { Micros } from "../ledger/time.ts";
import type { EpochEntity, RowOf } from "../store/driver/entities.ts";
import { fromTimestamptz } from "../store/driver/instant.ts";
import type { Run } from "../store/driver/transaction.ts";

/** A life of the cluster, and how many of the entries that were read it made. */
export type EpochCount = {
  readonly epoch: number;
  readonly beginTime: Micros;
  entries: number;
};

/** The place of an entry in the stream of all entries. */
export type StreamPlace = { readonly epoch: number; readonly feed: bigint };

/** Adds the epochs that are not yet known to `known`, oldest first. Ask in the snapshot of entries. */
export async function readEpochs(run: Run, known: EpochCount[]): Promise<void> {
  const last = known.at(-1)?.epoch ?? 0;
  const { rows } = await run(sql<RowOf<typeof EpochEntity>>`
    select * from epoch where epoch > ${last} order by epoch`);
  for (const { epoch, begin_time } of rows) {
    known.push({ epoch, beginTime: fromTimestamptz(begin_time), entries: 0 });
  }
}

/**
 * Counts an entry to its epoch. Epochs never fall in an account's journal, and neither do feed numbers
 * in an epoch: a reader of the stream would be given a later entry first.
 *
 * @param before the place of the account's entry before
 * @returns what is wrong
 */
export function countPlace(
  known: readonly EpochCount[],
  before: StreamPlace | undefined,
  { epoch, feed }: StreamPlace,
): string | undefined {
  const of = known.find((one) => one.epoch === epoch);
  if (of === undefined) return `is of epoch ${epoch}, which the table epoch has not`;
  of.entries += 1;
  if (before === undefined || before.epoch < epoch) return undefined;
  if (before.epoch > epoch) return `is of epoch ${epoch}, the entry before of ${before.epoch}`;
  if (before.feed > feed) return `has feed number ${feed}, the entry before ${before.feed}`;
}
