import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fromJson, toJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import {
  AccountSchema,
  type Entry,
  EntryKind,
  EntrySchema,
} from "../../gen/points/v1/account_pb.ts";
import { verifyJournal } from "../../src/client/client.ts";
import { fingerprintOf, keptDigestOf, personalDigestOf } from "../../src/ledger/digests.ts";
import { hashEntry } from "../../src/ledger/entry-hash.ts";
import { toEntryMessage } from "../../src/rpc/answers.ts";
import { chainEntry } from "../../src/verify/hashes.ts";
import { entryOf } from "../support/entry-of-message.ts";
import { chainHash, personalDigest } from "../torture/check/chain.ts";

// The published test vectors: docs/hash.md.

type Vector = {
  entry: never;
  requestHash?: string;
  fingerprint?: string;
  personalBytes: string;
  personalDigest: string;
  hashedBytes: string;
  hash: string;
};
const file = await readFile("docs/hash-vectors.json", "utf8");
type Journal = { salt: string; account: never; entries: Vector[] };
const vectors = JSON.parse(file) as Journal & { erased: Journal };
const account = fromJson(AccountSchema, vectors.account);
const entries = vectors.entries.map(({ entry }) => fromJson(EntrySchema, entry));
const erased = {
  account: fromJson(AccountSchema, vectors.erased.account),
  entries: vectors.erased.entries.map(({ entry }) => fromJson(EntrySchema, entry)),
};

const bytesOf = (hex: string) => Buffer.from(hex, "hex");
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const sha256Of = (hex: string) => createHash("sha256").update(bytesOf(hex)).digest("hex");

test.each(vectors.entries.map((vector, index) => [entries[index]!, vector] as const))(
  "all that compute digests have those of a test vector ($sequence)",
  (message, vector) => {
    const salt = bytesOf(vectors.salt);
    const previous = entries[Number(message.sequence) - 2]?.hash ?? new Uint8Array(32);
    const entry = entryOf(message);
    expect(hexOf(message.hash)).toBe(vector.hash);
    expect(hexOf(message.personalDigest)).toBe(vector.personalDigest);
    expect(vector.hashedBytes.slice(0, 64)).toBe(hexOf(previous));

    expect(sha256Of(vector.hashedBytes)).toBe(vector.hash);
    expect(hexOf(hashEntry(previous, entry, salt))).toBe(vector.hash);
    expect(hexOf(chainEntry(previous, entry, salt))).toBe(vector.hash);
    expect(hexOf(chainHash(previous, message))).toBe(vector.hash);

    expect(sha256Of(vector.personalBytes)).toBe(vector.personalDigest);
    expect(hexOf(personalDigestOf(salt, entry))).toBe(vector.personalDigest);
    expect(hexOf(personalDigest(salt, message))).toBe(vector.personalDigest);

    const { requestHash = "" } = vector;
    const fingerprint = fingerprintOf(salt, { hash: bytesOf(requestHash) });
    expect(hexOf(message.fingerprint)).toBe(vector.fingerprint ?? "");
    expect(requestHash === "" ? "" : hexOf(fingerprint)).toBe(vector.fingerprint ?? "");
    expect(toJson(EntrySchema, toEntryMessage(entry, salt))).toEqual(vector.entry);
  },
);

test.each(vectors.erased.entries.map((vector, index) => [erased.entries[index]!, vector] as const))(
  "all that compute digests have those of a test vector of an erased account ($sequence)",
  (message, vector) => {
    const salt = bytesOf(vectors.erased.salt);
    const previous = erased.entries[Number(message.sequence) - 2]?.hash ?? new Uint8Array(32);
    const isErased = message.sequence < 3n;
    const { personalDigest: kept } = message;
    const entry = { ...entryOf(message), ...(isErased && { personalDigest: kept }) };
    expect(hexOf(message.hash)).toBe(vector.hash);
    expect(sha256Of(vector.hashedBytes)).toBe(vector.hash);
    expect(hexOf(hashEntry(previous, entry, salt))).toBe(vector.hash);
    expect(hexOf(chainEntry(previous, entry, salt))).toBe(vector.hash);
    expect(hexOf(chainHash(previous, message))).toBe(vector.hash);
    expect(hexOf(keptDigestOf(salt, entry))).toBe(vector.personalDigest);
    expect(hexOf(personalDigestOf(salt, entry)) === vector.personalDigest).toBe(!isErased);
    expect(toJson(EntrySchema, toEntryMessage(entry, salt))).toEqual(vector.entry);
  },
);

test("there is a test vector of each kind", () => {
  const kinds = new Set([...entries, ...erased.entries].map(({ kind }) => kind));
  kinds.add(EntryKind.UNSPECIFIED);
  expect(kinds).toEqual(new Set(Object.values(EntryKind)));
});

test("there is a test vector with each field of an entry, but for the one of streams alone", () => {
  const all = [...vectors.entries, ...vectors.erased.entries];
  const has = new Set(all.flatMap(({ entry }) => Object.keys(entry)));
  const names = EntrySchema.fields.map(({ jsonName }) => jsonName);
  expect([...has].toSorted()).toEqual(names.filter((name) => name !== "hashBefore").toSorted());
});

test("the verifier of TypeScript accepts the journal of the vectors, and none that was changed", async () => {
  const journal = { account, entries };
  await verifyJournal(journal);
  const expectRefused = (of: readonly Entry[], why: string) =>
    expect(verifyJournal({ account, entries: of })).rejects.toThrow(why);
  const expectNoticed = (index: number, change: object, why: string) =>
    expectRefused(entries.with(index, { ...entries[index]!, ...change }), why);
  await expectNoticed(2, { points: 31n }, "entry 3 has another hash");
  await expectNoticed(2, { requestId: "x" }, "entry 3 has another personal digest");
  await expectNoticed(2, { metadata: {} }, "entry 3 has another personal digest");
  await expectNoticed(2, { fingerprint: new Uint8Array(16) }, "entry 3 has another hash");
  await expectNoticed(12, { category: "" }, "entry 13 has another hash");
  await expectNoticed(12, { services: ["speech"] }, "entry 13 has another hash");
  await expectNoticed(12, { services: ["dubbing", "speech"] }, "entry 13 has another hash");
  await expectNoticed(14, { owed: 25n, uncovered: 0n }, "entry 15 has another hash");
  await expectNoticed(14, { uncovered: 0n }, "entry 15 has another hash");
  await expectNoticed(14, { fromBalance: 9n }, "entry 15 has another hash");
  await expectNoticed(15, { repaid: 0n }, "entry 16 has another hash");
  await expectNoticed(15, { debtAfter: 0n }, "entry 16 has another hash");
  const without = entries.filter(({ sequence }) => sequence !== 3n);
  await expectRefused(without, "entry 3 is missing");
  const short = entries.slice(0, -1);
  await expectRefused(short, `the account is not as entry ${short.length} left it`);
});

test("it accepts the journal of an erased account, and checks all that is not erased", async () => {
  await verifyJournal(erased);
  const expectNoticed = (index: number, change: object, why: string) => {
    const one = { ...erased.entries[index]!, ...change };
    const changed = verifyJournal({ ...erased, entries: erased.entries.with(index, one) });
    return expect(changed).rejects.toThrow(why);
  };
  await expectNoticed(0, { personalDigest: new Uint8Array(32) }, "entry 1 has another hash");
  await expectNoticed(2, { erasedHash: new Uint8Array(32) }, "entry 3 erases another journal");
  await expectNoticed(2, { actor: "x" }, "entry 3 has another personal digest");
  await expectNoticed(3, { actor: "x" }, "entry 4 has another personal digest");
});
