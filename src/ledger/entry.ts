import type { Account, Figures } from "./account.ts";
import { compareBytes } from "./byte-order.ts";
import type { Metadata, Request } from "./command.ts";
import type { Allocation } from "./lot.ts";
import type { PricedUsage } from "./prices.ts";
import { sha256 } from "./sha256.ts";
import type { Micros } from "./time.ts";

/** The kind of change that an entry records. */
export type EntryKind =
  "recharge" | "consume" | "expire" | "freeze" | "settle" | "release" | "refund";

/** The content of an entry, before it has a place in a journal. */
export type EntryContent = {
  readonly kind: EntryKind;
  /** The points that it moved, 0 or more. */
  readonly points: bigint;
  /** The lots that points came from or went to; they add up to `points`. */
  readonly allocations: readonly Allocation[];
  /** Of a settle: the rest of the hold, which went back; otherwise 0. */
  readonly returned: bigint;
  /** The entry that a settle, release or refund is about; otherwise null. */
  readonly refersTo: bigint | null;
  /** The expiry of the lot or hold that it made; null: never, or it made none. */
  readonly expireTime: Micros | null;
  /** The priority of the lot that it made; otherwise 0. */
  readonly priority: number;
  /** The use of a service that was priced; null: the caller named points. */
  readonly usage: PricedUsage | null;
  /** Undefined where the caller gave no request id, or where the ledger booked it by itself. */
  readonly request: Request | undefined;
  readonly metadata: Metadata;
  /** The caller's name; empty if not known, or where the ledger booked it by itself. */
  readonly caller: string;
};

/** One change of one account, in its place in the journal. */
export type Entry = EntryContent & {
  readonly userId: string;
  /** 1, 2, 3, … without gaps. */
  readonly sequence: bigint;
  readonly time: Micros;
  /** The account's figures after this entry. */
  readonly after: Figures;
  /** SHA-256, 32 bytes: see `hashEntry`. */
  readonly hash: Uint8Array;
};

/** Makes the account's next entry, and the account after it. */
export function nextEntry(
  { account }: { readonly account: Account },
  content: EntryContent,
  time: Micros,
): { entry: Entry; account: Account } {
  const unhashed = {
    ...content,
    userId: account.userId,
    sequence: account.sequence + 1n,
    time,
    after: figuresAfter(account, content),
  };
  const entry = { ...unhashed, hash: hashEntry(account.hash, unhashed) };
  return { entry, account: accountAfter(entry, account.createTime) };
}

/** The account after an entry. */
export function accountAfter(entry: Entry, createTime: Micros): Account {
  const { userId, sequence, hash, time: updateTime } = entry;
  return { ...entry.after, userId, sequence, hash, createTime, updateTime };
}

function figuresAfter(figures: Figures, { kind, points, returned }: EntryContent): Figures {
  const { balance, frozen, totalRecharged, totalConsumed, totalExpired, totalRefunded } = figures;
  const before = { balance, frozen, totalRecharged, totalConsumed, totalExpired, totalRefunded };
  switch (kind) {
    case "recharge":
      return { ...before, balance: balance + points, totalRecharged: totalRecharged + points };
    case "consume":
      return { ...before, balance: balance - points, totalConsumed: totalConsumed + points };
    case "expire":
      return { ...before, balance: balance - points, totalExpired: totalExpired + points };
    case "freeze":
      return { ...before, balance: balance - points, frozen: frozen + points };
    case "settle":
      return {
        ...before,
        balance: balance + returned,
        frozen: frozen - points - returned,
        totalConsumed: totalConsumed + points,
      };
    case "release":
      return { ...before, balance: balance + points, frozen: frozen - points };
    case "refund":
      return { ...before, balance: balance + points, totalRefunded: totalRefunded + points };
  }
}

/**
 * The hash that chains an entry to the one before: SHA-256 of the previous hash (32 bytes)
 * followed by a JSON array, in UTF-8 and without spaces, of the entry's content. Whole numbers
 * are strings of digits, times microseconds since 1970, durations nanoseconds, bytes hexadecimal,
 * absent values null, and metadata pairs in the order of their keys' bytes. The caller is the last
 * element, and is left out if it is empty, because older entries have none. This encoding must
 * never change.
 */
export function hashEntry(previous: Uint8Array, entry: Omit<Entry, "hash">): Uint8Array {
  const { after, request, usage, caller } = entry;
  const content = [
    entry.userId,
    String(entry.sequence),
    entry.kind,
    String(entry.points),
    entry.allocations.map(({ lot, points }) => [String(lot), String(points)]),
    String(entry.returned),
    textOrNull(entry.refersTo),
    String(entry.time),
    textOrNull(entry.expireTime),
    String(entry.priority),
    usage === null
      ? null
      : [
          usage.service,
          textOrNull(usage.quantity),
          textOrNull(usage.durationNanos),
          usage.priceVersion,
        ],
    request?.id ?? null,
    request === undefined ? null : Buffer.from(request.fingerprint).toString("hex"),
    [...entry.metadata].toSorted(([a], [b]) => compareBytes(a, b)),
    String(after.balance),
    String(after.frozen),
    String(after.totalRecharged),
    String(after.totalConsumed),
    String(after.totalExpired),
    String(after.totalRefunded),
    ...(caller === "" ? [] : [caller]),
  ];
  return sha256(previous, Buffer.from(JSON.stringify(content)));
}

function textOrNull(value: bigint | null): string | null {
  return value === null ? null : String(value);
}
