import type { Entry } from "../../gen/points/v1/account_pb.ts";

/** An entry with all that a sentence about it says. */
export type KnownEntry = {
  readonly entry: Entry;
  /** What became of it: see GetEntryResponse. */
  readonly refunded: bigint;
  readonly revoked: bigint;
  readonly claimed: bigint;
  /** Entries that it names, as far as they are read: that which it is about, and those of lots. */
  readonly others: ReadonlyMap<bigint, Entry>;
  /** The newest entries about it, newest first. */
  readonly referring: readonly Entry[];
  /** Seconds since 1970. */
  readonly now: bigint;
};
