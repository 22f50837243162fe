import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Entry, Hold, Lot } from "../../gen/points/v1/account_pb.ts";

/** An entry with all that a sentence about it says. */
export type KnownEntry = {
  readonly entry: Entry;
  /** What became of it: see GetEntryResponse. */
  readonly refunded: bigint;
  readonly revoked: bigint;
  readonly claimed: bigint;
  /** What the lot that it made still has. Undefined: that is not known, or it made none. */
  readonly lot?: Pick<Lot, "remaining" | "frozen"> | undefined;
  /** Entries that it names, as far as they are read: that which it is about, and those of lots. */
  readonly others: ReadonlyMap<bigint, Entry>;
  /** The newest entries about it, newest first. */
  readonly referring: readonly Entry[];
  /** Of a RELEASE entry, when the hold's time was by its last EXTEND entry. Undefined: none is known. */
  readonly extended?: Timestamp | undefined;
  /** Of a FREEZE entry, the hold, if it is open. Null: it is not. Undefined: not known. */
  readonly openHold?: Hold | null | undefined;
  /** The entries that the ledger wrote right after it by itself, because of it. Undefined: not known. */
  readonly followed?: readonly Entry[] | undefined;
  /** Seconds since 1970. */
  readonly now: bigint;
};
