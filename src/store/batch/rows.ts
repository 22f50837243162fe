/**
 * The ctids of the rows that a batch has found, so that its updates need no search of an index. They
 * stay valid until the transaction ends: only the holder of an account's lock writes the account and
 * its lots, and whatever else moves rows waits for transactions that have read them.
 */
export type Rows = {
  /** Ctids by user id. */
  readonly accounts: ReadonlyMap<string, string>;
  /** The lots of each user, by user id. Only those that have changed are looked for, when saved. */
  readonly lots: ReadonlyMap<string, readonly { readonly number: string; readonly ctid: string }[]>;
};
