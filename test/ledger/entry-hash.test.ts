import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { GENESIS_HASH } from "../../src/ledger/account.ts";
import { fingerprintOf, personalDigestOf, writePersonal } from "../../src/ledger/digests.ts";
import { Encoder } from "../../src/encoding/encoder.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import type { Calculation } from "../../src/ledger/prices.ts";
import { hashEntry, writeEntry } from "../../src/ledger/entry-hash.ts";
import { ENTRY_KINDS } from "../../src/rpc/answers.ts";
import { chainEntry } from "../../src/verify/hashes.ts";
import { used } from "../support/commands.ts";
import { policyIn, randomPolicies } from "../support/hashed-policies.ts";
import { randomUsage } from "../support/random-commands.ts";
import { SALT } from "../support/salts.ts";
import {
  type Fields,
  itemsIn,
  messageIn,
  numberIn,
  optionalIn,
  readFields,
  textIn,
} from "../support/tagged-fields.ts";

const entry: Entry = {
  userId: "ada",
  sequence: 7n,
  kind: "consume",
  points: 30n,
  allocations: [
    { lot: 1n, points: 20n },
    { lot: 4n, points: 10n },
  ],
  time: 1_767_225_600_000_001n,
  returned: 3n,
  keptOpen: false,
  holdAfter: null,
  owed: 0n,
  uncovered: 0n,
  repaid: 0n,
  fromBalance: 0n,
  fromClaim: false,
  refersTo: 2n,
  expireTime: null,
  priority: 0,
  category: "gift",
  services: ["tts", "script"],
  usage: used({ service: "tts", durationNanos: 1_500_000_000n }),
  policy: null,
  cause: "",
  member: "",
  erasedHash: null,
  alerts: [],
  request: { id: "job-1", fingerprint: new Uint8Array(16).fill(0xab) },
  metadata: new Map([
    ["z", "2"],
    ["a", "é"],
  ]),
  caller: "billing",
  actor: "ana",
  after: {
    balance: 70n,
    frozen: 0n,
    totalRecharged: 100n,
    totalConsumed: 30n,
    totalExpired: 0n,
    totalRefunded: 0n,
    totalRevoked: 0n,
    debt: 0n,
  },
  hash: new Uint8Array(),
};

/** Totals, which no entry shows, and no hash covers. */
const UNSHOWN = {
  totalRecharged: 0n,
  totalConsumed: 0n,
  totalExpired: 0n,
  totalRefunded: 0n,
  totalRevoked: 0n,
};

/** SHA-256 of bytes given in hexadecimal; spaces are for the reader. */
function sha256Of(prefix: Uint8Array, hex: string): string {
  const bytes = Buffer.from(hex.replaceAll(/\s/g, ""), "hex");
  return createHash("sha256").update(prefix).update(bytes).digest("hex");
}

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

const PERSONAL = `
  01 00000003 616461
  07 00000005 6a6f622d31
  08 00000019 00000002  00000001 61  00000002 c3a9  00000001 7a  00000001 32
  14 00000003 616e61`;

test("the personal digest is that of the documented bytes, and stays so for ever", () => {
  const digest = personalDigestOf(SALT, entry);
  expect(hexOf(digest)).toBe(sha256Of(SALT, PERSONAL));
});

test("the hash is that of the documented bytes, and stays so for ever", () => {
  const bytes = `
    02 00000001 37
    03 00000001 32
    04 00000002 3330
    05 00000026 00000002
      0000000d 01 00000001 31  02 00000002 3230  0000000d 01 00000001 34  02 00000002 3130
    06 00000010 31373637323235363030303030303031
    09 00000002 3730
    0e 00000001 32
    0f 00000001 33
    10 0000001e  01 00000003 747473  03 0000000a 31353030303030303030  04 00000002 7631
    11 00000007 62696c6c696e67
    12 00000020 ${sha256Of(SALT, PERSONAL)}
    13 00000010 ${"ab".repeat(16)}
    16 00000004 67696674
    17 00000015 00000002  00000003 747473  00000006 736372697074`;
  expect(hexOf(hashEntry(GENESIS_HASH, entry, SALT))).toBe(sha256Of(GENESIS_HASH, bytes));
});

test("the fingerprint is the first half of a hash of salt and request", () => {
  const hash = Uint8Array.from({ length: 32 }, (_, at) => at);
  const expected = createHash("sha256").update(SALT).update(hash).digest("hex").slice(0, 32);
  expect(hexOf(fingerprintOf(SALT, { hash }))).toBe(expected);
  const otherSalt = SALT.toReversed();
  expect(hexOf(fingerprintOf(otherSalt, { hash }))).not.toBe(expected);
});

const CALCULATION = {
  when: new Map<string, string>(),
  fixed: 0n,
  meters: [{ of: "tokens", points: 3n, per: 1_000n, unitNanos: null, amount: 0n }],
  factor: null,
  minimum: 0n,
  maximum: 0n,
};

const changes: [what: string, changed: Partial<Entry>][] = [
  ["the user", { userId: "bob" }],
  ["the sequence", { sequence: 8n }],
  ["the kind", { kind: "expire" }],
  ["the points", { points: 31n }],
  ["an allocation", { allocations: [{ lot: 1n, points: 30n }] }],
  ["the time", { time: entry.time + 1n }],
  ["the expiry", { expireTime: 1n }],
  ["the priority", { priority: 1 }],
  ["the category", { category: "" }],
  ["a service", { services: ["tts"] }],
  ["the services", { services: [] }],
  ["the order of the services", { services: entry.services.toReversed() }],
  ["a comma between two services", { services: ["tts,script"] }],
  ["what is owed", { owed: 1n }],
  ["what is uncovered", { uncovered: 1n }],
  ["what is repaid", { repaid: 1n }],
  ["what the balance paid", { fromBalance: 1n }],
  ["what was returned", { returned: 4n }],
  ["what it refers to", { refersTo: null }],
  ["the usage", { usage: { ...entry.usage!, quantity: 1n } }],
  ["a meter", { usage: { ...entry.usage!, meters: new Map([["tokens", 0n]]) } }],
  ["an attribute", { usage: { ...entry.usage!, attributes: new Map([["plan", "vip"]]) } }],
  ["how the points came about", { usage: { ...entry.usage!, calculation: CALCULATION } }],
  ["that there is a usage", { usage: null }],
  ["the request", { request: undefined }],
  ["the request's id", { request: { ...entry.request!, id: "job-2" } }],
  ["the fingerprint", { request: { ...entry.request!, fingerprint: SALT } }],
  ["the metadata", { metadata: new Map([["a", "é"]]) }],
  ["the caller", { caller: "" }],
  ["the actor", { actor: "" }],
  ["the member", { member: "bea" }],
  ["the cause", { cause: "monthly" }],
  ["an alert", { alerts: ["low"] }],
  ["a comma between two alerts", { alerts: ["low,lower"] }],
  ["the policy", { policy: { name: "low", rule: null } }],
  ["the balance", { after: { ...entry.after, balance: 71n } }],
  ["whether a claim took it", { fromClaim: true }],
  ["the frozen points", { after: { ...entry.after, frozen: 1n } }],
  ["the debt", { after: { ...entry.after, debt: 1n } }],
  ["whether the hold stayed open", { keptOpen: true }],
];
test.each(changes)("another hash if %s changes", (_, changed) => {
  const before = hashEntry(GENESIS_HASH, entry, SALT);
  expect(hashEntry(GENESIS_HASH, { ...entry, ...changed }, SALT)).not.toEqual(before);
});

test("the same points in each field of debt are another hash", () => {
  const { after } = entry;
  const each = [
    { owed: 5n },
    { uncovered: 5n },
    { repaid: 5n },
    { fromBalance: 5n },
    { after: { ...after, debt: 5n } },
    { after: { ...after, frozen: 5n } },
    { returned: 5n },
  ].map((debt) => hexOf(hashEntry(GENESIS_HASH, { ...entry, returned: 0n, ...debt }, SALT)));
  expect(new Set(each).size).toBe(each.length);
});

test("another hash after another entry, and with another salt", () => {
  const hash = hashEntry(GENESIS_HASH, entry, SALT);
  expect(hashEntry(hash, entry, SALT)).not.toEqual(hash);
  expect(hashEntry(GENESIS_HASH, entry, SALT.toReversed())).not.toEqual(hash);
});

test("metadata are in the order of their keys' bytes, which is not that of JavaScript", () => {
  // U+1F642 is d83d de42 in UTF-16, and so before U+F8FF there; in UTF-8 it begins with f0.
  const keys = ["\u{1f642}", "10", "\uf8ff", "9"];
  const digestOf = (metadata: Map<string, string>) =>
    hexOf(
      personalDigestOf(SALT, {
        userId: "ada",
        request: undefined,
        metadata,
        actor: "",
        member: "",
      }),
    );
  const bytes = `
    01 00000003 616461
    08 00000032 00000004
      00000002 3130  00000001 31  00000001 39  00000001 31
      00000003 efa3bf  00000001 31  00000004 f09f9982  00000001 31`;
  const given = new Map(keys.map((key) => [key, "1"]));
  expect(digestOf(given)).toBe(sha256Of(SALT, bytes));
  expect(digestOf(new Map([...given].toReversed()))).toBe(digestOf(given));
});

test("the kinds are hashed as the contract numbers them", () => {
  for (const [kind, number] of Object.entries(ENTRY_KINDS)) {
    const fields = fieldsOf({ ...entry, kind: kind as Entry["kind"] });
    expect(numberIn(fields, 3)).toBe(BigInt(number));
  }
});

const ids = fc.string({ unit: fc.constantFrom("a", "b", "7"), minLength: 1, maxLength: 4 });
const texts = fc.string({ unit: "binary", maxLength: 6 }).filter((one) => one.isWellFormed());
const points = fc.bigInt({ min: 0n, max: 2n ** 53n });
const optional = fc.option(fc.bigInt({ min: 1n, max: 2n ** 60n }));

/** Entries as rows can say them: what may be absent is never zero or empty. */
const entries: fc.Arbitrary<Omit<Entry, "hash">> = fc
  .record({
    userId: ids,
    sequence: fc.bigInt({ min: 1n, max: 2n ** 60n }),
    kind: fc.constantFrom(...(Object.keys(ENTRY_KINDS) as Entry["kind"][])),
    points,
    allocations: fc.array(fc.record({ lot: points, points }), { maxLength: 4 }),
    time: fc.bigInt({ min: 1n, max: 2n ** 57n }),
    returned: points,
    owed: points,
    uncovered: points,
    repaid: points,
    fromBalance: points,
    keptOpen: fc.boolean(),
    holdAfter: fc.constant(null),
    fromClaim: fc.boolean(),
    refersTo: optional,
    expireTime: optional,
    priority: fc.integer({ min: 0, max: 1000 }),
    category: texts,
    services: fc.array(ids, { maxLength: 3 }),
    usage: fc.option(randomUsage(fc.bigInt({ min: 1n, max: 2n ** 60n }))),
    request: fc.option(
      fc.record({ id: ids, fingerprint: fc.uint8Array({ minLength: 16, maxLength: 16 }) }),
      { nil: undefined },
    ),
    policy: fc.option(randomPolicies()),
    cause: fc.oneof(fc.constant(""), ids),
    member: fc.constantFrom("", "bea"),
    alerts: fc.array(ids, { maxLength: 3 }),
    erasedHash: fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 })),
    metadata: fc.array(fc.tuple(texts, texts), { maxLength: 4 }).map((pairs) => new Map(pairs)),
    caller: fc.oneof(fc.constant(""), ids),
    actor: texts,
    after: fc
      .record({ balance: points, frozen: points, debt: points })
      .map((shown) => ({ ...UNSHOWN, ...shown })),
  })
  // The entry of a limit is about the limit's member.
  .map((one) =>
    one.policy?.rule?.kind === "limit" ? { ...one, member: one.policy.rule.member } : one,
  );

test("an entry can be read back from what is hashed: no two entries are the same bytes", () => {
  fc.assert(
    fc.property(entries, (one) => {
      const digest = personalDigestOf(SALT, one);
      const fields = fieldsOf(one);
      const personal = readFields(encoded((to) => writePersonal(to, one)));
      expect(Uint8Array.from(fields.get(18)!)).toEqual(Uint8Array.from(digest));
      expect(entryIn(fields, personal)).toEqual({ ...one, metadata: sorted(one.metadata) });
    }),
    { numRuns: 500 },
  );
});

test("verify has the same hash of any entry, by code of its own", () => {
  fc.assert(
    fc.property(entries, (one) => {
      const hash = hashEntry(GENESIS_HASH, one, SALT);
      const own = chainEntry(GENESIS_HASH, { ...one, hash }, SALT);
      expect(hexOf(own)).toBe(hexOf(hash));
    }),
  );
});

function encoded(write: (to: Encoder) => Encoder): Buffer {
  return Buffer.from(write(new Encoder().begin(new Uint8Array())).encoded());
}

function fieldsOf(one: Omit<Entry, "hash">): Fields {
  return readFields(encoded((to) => writeEntry(to, one, SALT)));
}

function entryIn(fields: Fields, personal: Fields): Omit<Entry, "hash"> {
  const usage = messageIn(fields, 16);
  const { items } = itemsIn(personal, 8);
  const pairs = items.flatMap((key, at) => (at % 2 === 0 ? [[key, items[at + 1]!] as const] : []));
  const kind = Object.entries(ENTRY_KINDS).find(([, each]) => BigInt(each) === numberIn(fields, 3));
  return {
    userId: textIn(personal, 1),
    sequence: numberIn(fields, 2),
    kind: kind![0] as Entry["kind"],
    points: numberIn(fields, 4),
    allocations: itemsIn(fields, 5)
      .items.map(readFields)
      .map((each) => ({ lot: numberIn(each, 1), points: numberIn(each, 2) })),
    time: numberIn(fields, 6),
    returned: numberIn(fields, 15),
    owed: numberIn(fields, 24),
    uncovered: numberIn(fields, 25),
    repaid: numberIn(fields, 26),
    fromBalance: numberIn(fields, 27),
    keptOpen: numberIn(fields, 31) === 1n,
    holdAfter: null,
    fromClaim: textIn(fields, 32) === "1",
    refersTo: optionalIn(fields, 14),
    expireTime: optionalIn(fields, 11),
    priority: Number(numberIn(fields, 12)),
    category: textIn(fields, 22),
    services: itemsIn(fields, 23).items.map(String),
    usage: fields.has(16)
      ? {
          service: textIn(usage, 1),
          quantity: optionalIn(usage, 2),
          durationNanos: optionalIn(usage, 3),
          meters: mapIn(usage, 5, BigInt),
          attributes: mapIn(usage, 6, String),
          priceVersion: textIn(usage, 4),
          calculation: usage.has(7) ? calculationIn(readFields(usage.get(7)!)) : null,
        }
      : null,
    request: fields.has(19)
      ? { id: textIn(personal, 7), fingerprint: Uint8Array.from(fields.get(19)!) }
      : undefined,
    policy: fields.has(33) ? policyIn(messageIn(fields, 33), textIn(personal, 21)) : null,
    cause: textIn(fields, 28),
    member: textIn(personal, 21),
    alerts: itemsIn(fields, 29).items.map(String),
    erasedHash: fields.has(34) ? Uint8Array.from(fields.get(34)!) : null,
    metadata: pairs.map(([key, value]) => [String(key), String(value)]) as never,
    caller: textIn(fields, 17),
    actor: textIn(personal, 20),
    after: {
      ...UNSHOWN,
      balance: numberIn(fields, 9),
      frozen: numberIn(fields, 10),
      debt: numberIn(fields, 30),
    },
  };
}

function calculationIn(fields: Fields): Calculation {
  const [numerator, denominator] = textIn(fields, 4).split("/");
  return {
    when: mapIn(fields, 1, String),
    fixed: numberIn(fields, 2),
    meters: itemsIn(fields, 3)
      .items.map(readFields)
      .map((each) => ({
        of: textIn(each, 1),
        amount: numberIn(each, 2),
        points: numberIn(each, 3),
        per: numberIn(each, 4),
        unitNanos: optionalIn(each, 5),
      })),
    factor: fields.has(4)
      ? { numerator: BigInt(numerator!), denominator: BigInt(denominator!) }
      : null,
    minimum: numberIn(fields, 5),
    maximum: numberIn(fields, 6),
  };
}

function mapIn<T>(fields: Fields, tag: number, valueOf: (text: string) => T): Map<string, T> {
  const { items } = itemsIn(fields, tag);
  const parts = items.map(String);
  return new Map(
    parts.flatMap((key, at) => (at % 2 === 0 ? [[key, valueOf(parts[at + 1]!)] as const] : [])),
  );
}

/** In the order of the keys' bytes, as they are hashed. */
function sorted(metadata: Entry["metadata"]): [string, string][] {
  return [...metadata].toSorted(([a], [b]) => Buffer.from(a).compare(Buffer.from(b)));
}
