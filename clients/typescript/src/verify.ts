import { createHash } from "node:crypto";
import type { Account, Allowance, createPointsClient, Entry, Limit } from "points/client";

type PointsClient = ReturnType<typeof createPointsClient>;

/** A user's account, and all entries that led to it, the first one first. */
export type Journal = { readonly account: Account; readonly entries: readonly Entry[] };

/** Reads an account, with everything booked that is due, and its entries up to then. */
export async function readJournal(points: PointsClient, userId: string): Promise<Journal> {
  const { account } = await points.getOrCreate({ userId });
  if (account === undefined) throw new Error("an answer without an account");
  const entries: Entry[] = [];
  let pageToken = "";
  do {
    const page = await points.listEntries({ userId, pageSize: 1000, pageToken });
    entries.push(...page.entries.filter(({ sequence }) => sequence <= account.sequence));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return { account, entries: entries.toReversed() };
}

/**
 * Checks a whole journal: its numbers, what is personal, the hash chain, and that it leads to the
 * account. docs/hash.md describes what is hashed.
 *
 * @throws an Error that names the first wrong entry
 */
export function verifyJournal({ account, entries }: Journal): void {
  // What is personal in entries before the last erasure is gone: their digests stand for it.
  const erased = entries.findLast(isErasure)?.sequence ?? 0n;
  let hash: Uint8Array = new Uint8Array(32);
  for (const [index, entry] of entries.entries()) {
    const { sequence, userId } = entry;
    if (sequence !== BigInt(index + 1) || userId !== account.userId) {
      throw new Error(`entry ${index + 1} is missing`);
    }
    const digest = personalDigest(account.salt, entry);
    if (sequence >= erased && Buffer.compare(digest, entry.personalDigest) !== 0) {
      throw new Error(`entry ${sequence} has another personal digest`);
    }
    if (isErasure(entry) && Buffer.compare(hash, entry.erasedHash) !== 0) {
      throw new Error(`entry ${sequence} erases another journal`);
    }
    hash = sha256(hash, content(entry));
    if (Buffer.compare(hash, entry.hash) !== 0)
      throw new Error(`entry ${sequence} has another hash`);
  }
  const none = { sequence: 0n, balanceAfter: 0n, frozenAfter: 0n, debtAfter: 0n };
  const last = entries.at(-1) ?? none;
  const left = [last.sequence, last.balanceAfter, last.frozenAfter, last.debtAfter];
  const { sequence, balance, frozen, debt } = account;
  if (left.join() !== [sequence, balance, frozen, debt].join()) {
    throw new Error(`the account is not as entry ${last.sequence} left it`);
  }
}

function isErasure({ erasedHash }: Entry): boolean {
  return erasedHash.length > 0;
}

function personalDigest(salt: Uint8Array, e: Entry): Buffer {
  const fields = [field(1, e.userId), field(7, e.requestId), field(8, map(e.metadata))];
  return sha256(salt, ...fields, field(20, e.actor), field(21, e.member));
}

function content(e: Entry): Buffer {
  const allocations = e.allocations.map(({ lot, points }) =>
    Buffer.concat([field(1, lot), field(2, points)]),
  );
  return Buffer.concat([
    ...[field(2, e.sequence), field(3, e.kind), field(4, e.points)],
    ...[field(5, list(allocations.length, allocations)), field(6, micros(e.createTime))],
    ...[field(9, e.balanceAfter), field(10, e.frozenAfter), field(11, micros(e.expireTime))],
    ...[field(12, e.priority), field(14, e.refersTo), field(15, e.returned)],
    ...[field(16, usage(e.usage)), field(17, e.caller)],
    ...[field(18, e.personalDigest), field(19, e.fingerprint), field(22, e.category)],
    field(23, texts(e.services)),
    ...[field(24, e.owed), field(25, e.uncovered), field(26, e.repaid)],
    ...[field(27, e.fromBalance), field(28, e.cause), field(29, texts(e.alerts))],
    ...[field(30, e.debtAfter), field(31, Number(e.keptOpen)), field(32, Number(e.fromClaim))],
    ...[field(33, policy(e.policy)), field(34, e.erasedHash)],
  ]);
}

function policy(set: Entry["policy"]): Buffer {
  if (set === undefined) return Buffer.alloc(0);
  const { name, rule } = set;
  return Buffer.concat([field(1, name), ruled(rule)]);
}

function ruled(rule: NonNullable<Entry["policy"]>["rule"]): Buffer {
  switch (rule.case) {
    case undefined:
      return Buffer.alloc(0);
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

function allowance(a: Allowance): Buffer {
  const { every, expiration } = a;
  return Buffer.concat([
    field(1, a.points),
    field(2, Buffer.concat([field(1, every!.count), field(2, every!.unit)])),
    ...[field(3, micros(a.startTime)), field(4, a.timeZone)],
    field(5, expiration.case === "periods" ? expiration.value : 0),
    field(6, expiration.case === "ttl" ? nanosOf(expiration.value) : 0n),
    field(7, Number(expiration.case === "never")),
    ...[field(8, a.priority), field(9, a.category), field(10, texts(a.services))],
    field(11, micros(a.endTime)),
  ]);
}

/** Without the member, which is the entry's. */
function limit({ points, window, eachMember, service }: Limit): Buffer {
  const { span, timeZone } = window!;
  const spanned = field(span.case === "calendar" ? 1 : 2, Number(span.value));
  return Buffer.concat([
    ...[field(1, points), field(2, Buffer.concat([spanned, field(3, timeZone)]))],
    ...[field(4, Number(eachMember)), field(5, service)],
  ]);
}

function usage(used: Entry["usage"]): Buffer {
  if (used === undefined) return Buffer.alloc(0);
  const { service, amount, priceVersion, meters, attributes, calculation } = used;
  const quantity = amount.case === "quantity" ? amount.value : 0n;
  const duration = amount.case === "duration" ? nanosOf(amount.value) : 0n;
  return Buffer.concat([
    ...[field(1, service), field(2, quantity), field(3, duration), field(4, priceVersion)],
    ...[field(5, map(meters)), field(6, map(attributes)), field(7, calculated(calculation))],
  ]);
}

function calculated(calculation: NonNullable<Entry["usage"]>["calculation"]): Buffer {
  if (calculation === undefined) return Buffer.alloc(0);
  const { when, fixed, factor, minimum, maximum } = calculation;
  const meters = calculation.meters.map(({ of, amount, points, per, unit }) =>
    Buffer.concat([
      ...[field(1, of), field(2, amount), field(3, points), field(4, per)],
      field(5, unit === undefined ? 0n : nanosOf(unit)),
    ]),
  );
  return Buffer.concat([
    ...[field(1, map(when)), field(2, fixed), field(3, list(meters.length, meters))],
    ...[field(4, factor), field(5, minimum), field(6, maximum)],
  ]);
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
function field(tag: number, value: bigint | number | string | Uint8Array): Buffer {
  const isZero = value === 0 || value === 0n;
  const bytes = value instanceof Uint8Array ? value : Buffer.from(isZero ? "" : String(value));
  if (bytes.length === 0) return Buffer.alloc(0);
  return Buffer.concat([Buffer.of(tag), uint32(bytes.length), bytes]);
}

function map(of: Readonly<Record<string, string | bigint>>): Buffer {
  const pairs = Object.entries(of).map((pair) => pair.map((part) => Buffer.from(String(part))));
  return list(pairs.length, pairs.toSorted(([a], [b]) => Buffer.compare(a!, b!)).flat());
}

function texts(items: readonly string[]): Buffer {
  return list(
    items.length,
    items.map((item) => Buffer.from(item)),
  );
}

function list(count: number, items: readonly Buffer[]): Buffer {
  if (count === 0) return Buffer.alloc(0);
  return Buffer.concat([uint32(count), ...items.flatMap((item) => [uint32(item.length), item])]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  return createHash("sha256").update(Buffer.concat(parts)).digest();
}
