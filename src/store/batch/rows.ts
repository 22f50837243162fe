/**
 * The ctids of the rows that a batch has found, so that its updates need no search of an index. They
 * stay valid until the transaction ends: only the holder of an account's lock writes the account and
 * its lots, and whatever else moves rows waits for transactions that have read them.
 */
export type Rows = {
  /** By user id. */
  readonly accounts: ReadonlyMap<string, string>;
  /** By the text of the lot's key: see `textOfKey`. */
  readonly lots: ReadonlyMap<string, string>;
};
