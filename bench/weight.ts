import type { Database } from "./cluster.ts";

/** A ledger's size on disk in bytes: each figure with the indexes, and the indexes alone. */
export type Weight = {
  readonly entry: number;
  readonly entryIndexes: number;
  /** An account with its lots. */
  readonly account: number;
  readonly accountIndexes: number;
};

/** Measures the size of the tables, per entry and per account. */
export async function weigh({ query }: Database): Promise<Weight> {
  const [row] = await query(`
    select count(*) as accounts, sum(sequence) as entries,
      pg_total_relation_size('points.entry') as entry,
      pg_indexes_size('points.entry') as entry_indexes,
      pg_total_relation_size('points.account') + pg_total_relation_size('points.lot') as account,
      pg_indexes_size('points.account') + pg_indexes_size('points.lot') as account_indexes
    from points.account`);
  const accounts = Number(row!["accounts"]);
  const entries = Number(row!["entries"]);
  return {
    entry: Number(row!["entry"]) / entries,
    entryIndexes: Number(row!["entry_indexes"]) / entries,
    account: Number(row!["account"]) / accounts,
    accountIndexes: Number(row!["account_indexes"]) / accounts,
  };
}
