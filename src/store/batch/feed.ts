/** What numbers the entries that a transaction makes: the epoch that it is in, and its own id. */
export type FeedClock = { readonly epoch: bigint; readonly transactionId: bigint };

/** The place of an account's last entry in the stream of all entries. */
export type FeedPlace = { readonly epoch: bigint; readonly feed: bigint };

/**
 * The feed number of the entries that a transaction makes of an account. A reader of the stream is
 * given what has a number below the oldest transaction under way, and so misses nothing.
 *
 * The transaction's id alone would not do. A batch gets it with its first lock, and may then wait for
 * a younger batch that is done with another account before it: the user's entry 8 would come before
 * 7. So an account's number never falls within an epoch.
 *
 * @param last undefined: the account is new
 */
export function feedNumber(
  { epoch, transactionId }: FeedClock,
  last: FeedPlace | undefined,
): bigint {
  if (last === undefined || last.epoch !== epoch) return transactionId;
  return last.feed > transactionId ? last.feed : transactionId;
}
