import type { Entry } from "../../gen/points/v1/account_pb.ts";
import type { Allowance, Limit, Policy } from "../../gen/points/v1/policy_pb.ts";
import type { PriceCalculation, PricedUsage } from "../../gen/points/v1/prices_pb.ts";

// What is hashed of an entry, as docs/hash.md describes it. SHA-256 is that of the Web Cryptography
// API, which Node and browsers have; pages need https or localhost for it.

/**
 * The hash that an entry must have: SHA-256 of the hash of the account's entry before it (of the
 * first: 32 zero bytes) and of its content.
 */
export function entryHash(previous: Uint8Array, entry: Entry): Promise<Uint8Array> {
  return sha256(previous, content(entry));
}

/** The digest that an entry must have of what is personal in it. @param salt the account's */
export function personalDigest(salt: Uint8Array, e: Entry): Promise<Uint8Array> {
  const fields = [field(1, e.userId), field(7, e.requestId), field(8, map(e.metadata))];
  return sha256(salt, ...fields, field(20, e.actor), field(21, e.member));
}

function content(e: Entry): Uint8Array {
  const allocations = e.allocations.map(({ lot, points }) =>
    concat(field(1, lot), field(2, points)),
  );
  return concat(
    field(2, e.sequence),
    field(3, e.kind),
    field(4, e.points),
    field(5, list(allocations.length, allocations)),
    field(6, micros(e.createTime)),
    field(9, e.balanceAfter),
    field(10, e.frozenAfter),
    field(11, micros(e.expireTime)),
    field(12, e.priority),
    field(14, e.refersTo),
    field(15, e.returned),
    field(16, usage(e.usage)),
    field(17, e.caller),
    field(18, e.personalDigest),
    field(19, e.fingerprint),
    field(22, e.category),
    field(23, texts(e.services)),
    field(24, e.owed),
    field(25, e.uncovered),
    field(26, e.repaid),
    field(27, e.fromBalance),
    field(28, e.cause),
    field(29, texts(e.alerts)),
    field(30, e.debtAfter),
    field(31, Number(e.keptOpen)),
    field(32, Number(e.fromClaim)),
    field(33, policy(e.policy)),
    field(34, e.erasedHash),
  );
}

function policy(set: Policy | undefined): Uint8Array {
  return set === undefined ? NOTHING : concat(field(1, set.name), ruled(set.rule));
}

function ruled(rule: Policy["rule"]): Uint8Array {
  switch (rule.case) {
    case undefined:
      return NOTHING;
    case "allowance":
      return field(2, allowance(rule.value));
    case "limit":
      return field(3, limit(rule.value));
    // The numbers of an alert and of a credit line are written even if they are 0.
    case "alert":
      return field(4, field(1, String(rule.value.below)));
    case "creditLine":
      return field(5, field(1, String(rule.value.points)));
  }
}

function allowance(a: Allowance): Uint8Array {
  const { every, expiration } = a;
  return concat(
    field(1, a.points),
    field(2, concat(field(1, every!.count), field(2, every!.unit))),
    field(3, micros(a.startTime)),
    field(4, a.timeZone),
    field(5, expiration.case === "periods" ? expiration.value : 0),
    field(6, expiration.case === "ttl" ? nanosOf(expiration.value) : 0n),
    field(7, Number(expiration.case === "never")),
    field(8, a.priority),
    field(9, a.category),
    field(10, texts(a.services)),
    field(11, micros(a.endTime)),
  );
}

/** Without the member, which is the entry's. */
function limit({ points, window, eachMember, service }: Limit): Uint8Array {
  const { span, timeZone } = window!;
  const spanned = field(span.case === "calendar" ? 1 : 2, Number(span.value));
  return concat(
    field(1, points),
    field(2, concat(spanned, field(3, timeZone))),
    field(4, Number(eachMember)),
    field(5, service),
  );
}

function usage(used: PricedUsage | undefined): Uint8Array {
  if (used === undefined) return NOTHING;
  const { service, amount, priceVersion, meters, attributes, calculation } = used;
  const quantity = amount.case === "quantity" ? amount.value : 0n;
  const duration = amount.case === "duration" ? nanosOf(amount.value) : 0n;
  return concat(
    field(1, service),
    field(2, quantity),
    field(3, duration),
    field(4, priceVersion),
    field(5, map(meters)),
    field(6, map(attributes)),
    field(7, calculated(calculation)),
  );
}

function calculated(calculation: PriceCalculation | undefined): Uint8Array {
  if (calculation === undefined) return NOTHING;
  const { when, fixed, factor, minimum, maximum } = calculation;
  const meters = calculation.meters.map(({ of, amount, points, per, unit }) =>
    concat(
      field(1, of),
      field(2, amount),
      field(3, points),
      field(4, per),
      field(5, unit === undefined ? 0n : nanosOf(unit)),
    ),
  );
  return concat(
    field(1, map(when)),
    field(2, fixed),
    field(3, list(meters.length, meters)),
    field(4, factor),
    field(5, minimum),
    field(6, maximum),
  );
}

function nanosOf({ seconds, nanos }: { seconds: bigint; nanos: number }): bigint {
  return seconds * 1_000_000_000n + BigInt(nanos);
}

function micros(time: Entry["createTime"]): bigint {
  return time === undefined
    ? 0n
    : time.seconds * 1_000_000n + BigInt(Math.trunc(time.nanos / 1000));
}

/** A number is its digits; zero and empty are left out. */
function field(tag: number, value: bigint | number | string | Uint8Array): Uint8Array {
  if (value === 0 || value === 0n || value === "") return NOTHING;
  const bytes = value instanceof Uint8Array ? value : encoder.encode(String(value));
  return bytes.length === 0 ? NOTHING : concat(headOf(tag, bytes.length), bytes);
}

function map(of: Readonly<Record<string, string | bigint>>): Uint8Array {
  const pairs = Object.entries(of).map((pair) => pair.map((part) => utf8(String(part))));
  return list(pairs.length, pairs.toSorted(([a], [b]) => compareBytes(a!, b!)).flat());
}

function texts(items: readonly string[]): Uint8Array {
  return list(items.length, items.map(utf8));
}

function list(count: number, items: readonly Uint8Array[]): Uint8Array {
  if (count === 0) return NOTHING;
  return concat(uint32(count), ...items.flatMap((item) => [uint32(item.length), item]));
}

/** Which of two comes first in the order of their bytes, as the sign of a number; 0: they are equal. */
export function compareBytes(one: Uint8Array, other: Uint8Array): number {
  for (let at = 0; at < one.length && at < other.length; at += 1) {
    if (one[at] !== other[at]) return one[at]! - other[at]!;
  }
  return one.length - other.length;
}

const NOTHING = new Uint8Array();
const encoder = new TextEncoder();

function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

function headOf(tag: number, length: number): Uint8Array {
  return Uint8Array.of(tag, length >>> 24, length >>> 16, length >>> 8, length);
}

function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    if (part.length === 0) continue;
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

async function sha256(...parts: readonly Uint8Array[]): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts)));
}
