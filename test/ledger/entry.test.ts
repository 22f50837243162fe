import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { GENESIS_HASH } from "../../src/ledger/account.ts";
import { compareBytes } from "../../src/ledger/byte-order.ts";
import { type Entry, hashEntry } from "../../src/ledger/entry.ts";

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
  refersTo: 2n,
  expireTime: null,
  priority: 0,
  usage: { service: "tts", quantity: null, durationNanos: 1_500_000_000n, priceVersion: "v1" },
  request: { id: "job-1", fingerprint: new Uint8Array(32).fill(0xab) },
  metadata: new Map([
    ["z", "2"],
    ["a", "é"],
  ]),
  caller: "",
  after: {
    balance: 70n,
    frozen: 0n,
    totalRecharged: 100n,
    totalConsumed: 30n,
    totalExpired: 0n,
    totalRefunded: 0n,
  },
  hash: new Uint8Array(),
};

test("the hash is that of the documented text, and stays so for ever", () => {
  const text =
    '["ada","7","consume","30",[["1","20"],["4","10"]],"3","2","1767225600000001",null,"0",' +
    '["tts",null,"1500000000","v1"],"job-1",' +
    `"${"ab".repeat(32)}",[["a","é"],["z","2"]],"70","0","100","30","0","0"]`;
  const expected = createHash("sha256").update(GENESIS_HASH).update(text).digest("hex");
  expect(Buffer.from(hashEntry(GENESIS_HASH, entry)).toString("hex")).toBe(expected);
});

test("the caller is at the text's end, and an entry without one has the hash of old", () => {
  const text =
    '["ada","7","consume","30",[["1","20"],["4","10"]],"3","2","1767225600000001",null,"0",' +
    '["tts",null,"1500000000","v1"],"job-1",' +
    `"${"ab".repeat(32)}",[["a","é"],["z","2"]],"70","0","100","30","0","0","billing"]`;
  const expected = createHash("sha256").update(GENESIS_HASH).update(text).digest("hex");
  const hash = hashEntry(GENESIS_HASH, { ...entry, caller: "billing" });
  expect(Buffer.from(hash).toString("hex")).toBe(expected);
});

test("metadata are in the order of their keys' bytes, which is not that of JavaScript", () => {
  // U+1F642 is d83d de42 in UTF-16, and so before U+F8FF there; in UTF-8 it begins with f0.
  const metadata = new Map([
    ["\u{1f642}", "3"],
    ["10", "1"],
    ["\uf8ff", "2"],
    ["9", "1"],
  ]);
  const text =
    '["ada","7","consume","30",[["1","20"],["4","10"]],"3","2","1767225600000001",null,"0",' +
    '["tts",null,"1500000000","v1"],"job-1",' +
    `"${"ab".repeat(32)}",[["10","1"],["9","1"],["\uf8ff","2"],["\u{1f642}","3"]],` +
    '"70","0","100","30","0","0"]';
  const expected = createHash("sha256").update(GENESIS_HASH).update(text).digest("hex");
  const hash = hashEntry(GENESIS_HASH, { ...entry, metadata });
  expect(Buffer.from(hash).toString("hex")).toBe(expected);
});

test("the order of bytes is that of texts in UTF-8", () => {
  const units = ["", "a", "\u007f", "é", "\ud7ff", "\ue000", "\uf8ff", "\uffff"];
  const texts = [...units, "\u{10000}", "\u{1f642}", "\u{1f643}", "\u{10ffff}"].flatMap((one) => [
    one,
    `${one}a`,
    `a${one}`,
    `${one}\ue000`,
    `${one}\u{10000}`,
  ]);
  for (const a of texts) {
    for (const b of texts) {
      const inBytes = Buffer.compare(Buffer.from(a), Buffer.from(b));
      expect([a, b, Math.sign(compareBytes(a, b))]).toEqual([a, b, inBytes]);
    }
  }
});

const changes: [what: string, changed: Partial<Entry>][] = [
  ["the user", { userId: "bob" }],
  ["the sequence", { sequence: 8n }],
  ["the kind", { kind: "expire" }],
  ["the points", { points: 31n }],
  ["an allocation", { allocations: [{ lot: 1n, points: 30n }] }],
  ["the time", { time: entry.time + 1n }],
  ["the expiry", { expireTime: 1n }],
  ["the priority", { priority: 1 }],
  ["what was returned", { returned: 4n }],
  ["what it refers to", { refersTo: null }],
  ["the usage", { usage: { ...entry.usage!, quantity: 1n } }],
  ["the request", { request: undefined }],
  ["the request's id", { request: { ...entry.request!, id: "job-2" } }],
  ["the metadata", { metadata: new Map([["a", "é"]]) }],
  ["the caller", { caller: "billing" }],
  ["a figure", { after: { ...entry.after, balance: 71n } }],
];
test.each(changes)("another hash if %s changes", (_, changed) => {
  const before = hashEntry(GENESIS_HASH, entry);
  expect(hashEntry(GENESIS_HASH, { ...entry, ...changed })).not.toEqual(before);
  expect(hashEntry(before, entry)).not.toEqual(before);
});
