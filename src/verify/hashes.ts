import type { Account, Figures } from "../ledger/account.ts";
import type { Request } from "../ledger/command.ts";
import type { Entry } from "../ledger/entry.ts";
import type { PricedUsage } from "../ledger/prices.ts";
import type { Receipt } from "../ledger/receipt.ts";
import { sha256 } from "../ledger/sha256.ts";

/**
 * The hash chain of entries, computed from its definition and not by the ledger's code: SHA-256 of
 * the previous entry's hash (32 bytes) and a JSON array, in UTF-8 without spaces, of all that the
 * entry says. Integers and times (microseconds since 1970) are decimal strings, bytes hexadecimal,
 * absent values null, metadata pairs in the byte order of their keys. The caller is left out where
 * there is none.
 */
export function chainEntry(previous: Uint8Array, entry: Entry): Uint8Array {
  const { allocations, metadata, after, caller } = entry;
  return chain(previous, [
    entry.userId,
    entry.sequence,
    entry.kind,
    entry.points,
    allocations.map(({ lot, points }) => [lot, points]),
    entry.returned,
    entry.refersTo,
    entry.time,
    entry.expireTime,
    String(entry.priority),
    usageOf(entry.usage),
    ...requestOf(entry.request),
    [...metadata].toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    ...figuresOf(after),
    ...(caller === "" ? [] : [caller]),
  ]);
}

/**
 * The hash chain of receipts: as that of entries, of what the receipt says, of the account's time of
 * creation, and of the hash of the entry that the receipt is about.
 */
export function chainReceipt(
  previous: Uint8Array,
  { userId, number, request, sequence, madeEntry }: Receipt,
  { createTime, hash }: Pick<Account, "createTime" | "hash">,
): Uint8Array {
  return chain(previous, [
    userId,
    number,
    ...requestOf(request),
    sequence,
    madeEntry,
    createTime,
    hexOf(hash),
  ]);
}

function chain(previous: Uint8Array, content: readonly unknown[]): Uint8Array {
  const json = JSON.stringify(content, (_, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );
  return sha256(previous, Buffer.from(json));
}

function requestOf(request: Request | undefined) {
  return request === undefined ? [null, null] : [request.id, hexOf(request.fingerprint)];
}

function usageOf(usage: PricedUsage | null) {
  if (usage === null) return null;
  return [usage.service, usage.quantity, usage.durationNanos, usage.priceVersion];
}

function figuresOf(figures: Figures): readonly bigint[] {
  const { balance, frozen, totalRecharged, totalConsumed, totalExpired, totalRefunded } = figures;
  return [balance, frozen, totalRecharged, totalConsumed, totalExpired, totalRefunded];
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
