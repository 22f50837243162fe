import { createHash } from "node:crypto";
import type { Account } from "../ledger/account.ts";
import type { Metadata, RecordedRequest } from "../ledger/command.ts";
import type { Entry, EntryKind } from "../ledger/entry.ts";
import type { Allowance, CalendarUnit, Limit, Rule } from "../ledger/policy.ts";
import type { Calculation, PricedUsage } from "../ledger/prices.ts";
import type { Receipt } from "../ledger/receipt.ts";

/**
 * The hash chain of entries, computed from its definition (docs/hash.md) and not by the ledger's
 * code: SHA-256 of the previous entry's hash (32 bytes) and of the entry's fields, with their numbers
 * in the contract as tags.
 *
 * @param salt the account's
 */
export function chainEntry(previous: Uint8Array, entry: Entry, salt: Uint8Array): Uint8Array {
  const { after } = entry;
  const allocations = entry.allocations.map(({ lot, points }) =>
    Buffer.concat([number(1, lot), number(2, points)]),
  );
  return sha256(
    previous,
    number(2, entry.sequence),
    number(3, KINDS[entry.kind]),
    number(4, entry.points),
    field(5, list(allocations.length, allocations)),
    number(6, entry.time),
    number(9, after.balance),
    number(10, after.frozen),
    number(11, entry.expireTime),
    number(12, BigInt(entry.priority)),
    number(14, entry.refersTo),
    number(15, entry.returned),
    field(16, usageOf(entry.usage)),
    text(17, entry.caller),
    field(18, entry.personalDigest ?? personalDigest(salt, entry)),
    field(19, entry.request?.fingerprint),
    text(22, entry.category),
    field(23, list(entry.services.length, entry.services.map(Buffer.from))),
    number(24, entry.owed),
    number(25, entry.uncovered),
    number(26, entry.repaid),
    number(27, entry.fromBalance),
    text(28, entry.cause),
    field(
      29,
      list(
        entry.alerts.length,
        entry.alerts.map((name) => Buffer.from(name)),
      ),
    ),
    number(30, after.debt),
    number(31, entry.keptOpen ? 1n : 0n),
    number(32, entry.fromClaim ? 1n : 0n),
    field(33, entry.policy === null ? NOTHING : policyOf(entry.policy)),
    field(34, entry.erasedHash ?? NOTHING),
  );
}

/**
 * The hash chain of receipts: as that of entries, of what the receipt says, of the account's time of
 * creation, and of the hash of the entry that the receipt is about.
 */
export function chainReceipt(
  previous: Uint8Array,
  { userId, number: place, request, sequence, madeEntry, ...erased }: Receipt,
  { createTime, hash, salt }: Pick<Account, "createTime" | "hash" | "salt">,
): Uint8Array {
  const personal = { userId, request, metadata: new Map(), actor: "", member: "" };
  return sha256(
    previous,
    number(1, place),
    field(2, erased.personalDigest ?? personalDigest(salt, personal)),
    field(3, request?.fingerprint),
    number(4, sequence),
    number(5, madeEntry ? 1n : 0n),
    number(6, createTime),
    field(7, hash),
  );
}

type Personal = {
  readonly userId: string;
  readonly request: RecordedRequest | undefined;
  readonly metadata: Metadata;
  readonly actor: string;
  readonly member: string;
};

function personalDigest(salt: Uint8Array, personal: Personal): Buffer {
  const { userId, request, metadata, actor, member } = personal;
  return sha256(
    salt,
    text(1, userId),
    text(7, request?.id ?? ""),
    field(8, mapOf(metadata)),
    text(20, actor),
    text(21, member),
  );
}

function policyOf({ name, rule }: NonNullable<Entry["policy"]>): Buffer {
  return Buffer.concat([text(1, name), rule === null ? NOTHING : ruleOf(rule)]);
}

function ruleOf(rule: Rule): Buffer {
  switch (rule.kind) {
    case "allowance":
      return field(2, allowanceOf(rule));
    case "limit":
      return field(3, limitOf(rule));
    case "alert":
      return field(4, text(1, String(rule.below)));
    case "creditLine":
      return field(5, text(1, String(rule.points)));
  }
}

function allowanceOf({ every, life, services, ...allowance }: Allowance): Buffer {
  return Buffer.concat([
    number(1, allowance.points),
    field(2, Buffer.concat([number(1, BigInt(every.count)), number(2, UNITS[every.unit])])),
    number(3, allowance.startTime),
    text(4, allowance.timeZone),
    number(5, life.kind === "periods" ? BigInt(life.count) : 0n),
    number(6, life.kind === "ttl" ? life.ttl * 1000n : 0n),
    number(7, life.kind === "never" ? 1n : 0n),
    number(8, BigInt(allowance.priority)),
    text(9, allowance.category),
    field(
      10,
      list(
        services.length,
        services.map((name) => Buffer.from(name)),
      ),
    ),
    number(11, allowance.endTime),
  ]);
}

function limitOf({ points, window, eachMember, service }: Limit): Buffer {
  const span =
    window.kind === "total"
      ? number(2, 1n)
      : Buffer.concat([number(1, UNITS[window.unit]), text(3, window.timeZone)]);
  return Buffer.concat([
    number(1, points),
    field(2, span),
    number(4, eachMember ? 1n : 0n),
    text(5, service),
  ]);
}

const UNITS: Record<CalendarUnit, bigint> = { day: 1n, week: 2n, month: 3n, year: 4n };

function usageOf(usage: PricedUsage | null): Buffer {
  if (usage === null) return NOTHING;
  const { service, quantity, durationNanos, priceVersion, calculation } = usage;
  return Buffer.concat([
    text(1, service),
    number(2, quantity),
    number(3, durationNanos),
    text(4, priceVersion),
    field(5, mapOf(usage.meters)),
    field(6, mapOf(usage.attributes)),
    field(7, calculation === null ? NOTHING : calculationOf(calculation)),
  ]);
}

function calculationOf({ when, fixed, meters, factor, minimum, maximum }: Calculation): Buffer {
  const metered = meters.map(({ of, amount, points, per, unitNanos }) =>
    Buffer.concat([
      text(1, of),
      number(2, amount),
      number(3, points),
      number(4, per),
      number(5, unitNanos),
    ]),
  );
  return Buffer.concat([
    field(1, mapOf(when)),
    number(2, fixed),
    field(3, list(metered.length, metered)),
    text(4, factor === null ? "" : `${factor.numerator}/${factor.denominator}`),
    number(5, minimum),
    number(6, maximum),
  ]);
}

/** A map: keys and values in turn, in the order of the keys' bytes; numbers are their digits. */
function mapOf(map: ReadonlyMap<string, string | bigint>): Buffer {
  const pairs = [...map].map((pair) => pair.map((part) => Buffer.from(String(part))));
  const sorted = pairs.toSorted(([a], [b]) => Buffer.compare(a!, b!));
  return list(sorted.length, sorted.flat());
}

const KINDS: Record<EntryKind, bigint> = {
  recharge: 1n,
  consume: 2n,
  expire: 3n,
  freeze: 4n,
  settle: 5n,
  release: 6n,
  refund: 7n,
  revoke: 8n,
  extend: 9n,
  setPolicy: 10n,
  erase: 11n,
};

const NOTHING = Buffer.alloc(0);

/** A field: its tag, the length of its value, and the value; nothing if that is empty. */
function field(tag: number, value: Uint8Array = NOTHING): Buffer {
  if (value.length === 0) return NOTHING;
  return Buffer.concat([Buffer.of(tag), lengthOf(value.length), value]);
}

function number(tag: number, value: bigint | null): Buffer {
  return value === null || value === 0n ? NOTHING : text(tag, value.toString());
}

function text(tag: number, value: string): Buffer {
  return field(tag, Buffer.from(value));
}

/** A count, and then each item behind its length. */
function list(count: number, items: readonly Buffer[]): Buffer {
  if (count === 0) return NOTHING;
  return Buffer.concat([
    lengthOf(count),
    ...items.flatMap((item) => [lengthOf(item.length), item]),
  ]);
}

function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  return createHash("sha256").update(Buffer.concat(parts)).digest();
}
