import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fromJson, toJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import {
  type Account,
  AccountSchema,
  type Entry,
  EntryKind,
  EntrySchema,
} from "../../gen/points/v1/account_pb.ts";
import { fingerprintOf, keptDigestOf, personalDigestOf } from "../../src/ledger/digests.ts";
import { hashEntry } from "../../src/ledger/entry-hash.ts";
import { toEntryMessage } from "../../src/rpc/answers.ts";
import { chainEntry } from "../../src/verify/hashes.ts";
import { entryOf } from "../support/entry-of-message.ts";
import { chainHash, personalDigest } from "../torture/check/chain.ts";

// The published test vectors: docs/hash.md.

// By a name that the compiler does not follow: it imports types of a package that is not installed.
const CLIENT = "../../clients/typescript/src/verify.ts";
const { verifyJournal } = (await import(CLIENT)) as {
  verifyJournal: (journal: { account: Account; entries: readonly Entry[] }) => void;
};

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

test("there is a test vector with each field of an entry", () => {
  const all = [...vectors.entries, ...vectors.erased.entries];
  const has = new Set(all.flatMap(({ entry }) => Object.keys(entry)));
  expect([...has].toSorted()).toEqual(
    EntrySchema.fields.map(({ jsonName }) => jsonName).toSorted(),
  );
});

test("the verifier of TypeScript accepts the journal of the vectors, and none that was changed", () => {
  const journal = { account, entries };
  verifyJournal(journal);
  const changed = (index: number, change: object) => () =>
    verifyJournal({ account, entries: entries.with(index, { ...entries[index]!, ...change }) });
  expect(changed(2, { points: 31n })).toThrow("entry 3 has another hash");
  expect(changed(2, { requestId: "x" })).toThrow("entry 3 has another personal digest");
  expect(changed(2, { metadata: {} })).toThrow("entry 3 has another personal digest");
  expect(changed(2, { fingerprint: new Uint8Array(16) })).toThrow("entry 3 has another hash");
  expect(changed(12, { category: "" })).toThrow("entry 13 has another hash");
  expect(changed(12, { services: ["speech"] })).toThrow("entry 13 has another hash");
  expect(changed(12, { services: ["dubbing", "speech"] })).toThrow("entry 13 has another hash");
  expect(changed(14, { owed: 25n, uncovered: 0n })).toThrow("entry 15 has another hash");
  expect(changed(14, { uncovered: 0n })).toThrow("entry 15 has another hash");
  expect(changed(14, { fromBalance: 9n })).toThrow("entry 15 has another hash");
  expect(changed(15, { repaid: 0n })).toThrow("entry 16 has another hash");
  expect(changed(15, { debtAfter: 0n })).toThrow("entry 16 has another hash");
  const without = entries.filter(({ sequence }) => sequence !== 3n);
  expect(() => verifyJournal({ account, entries: without })).toThrow("entry 3 is missing");
  const short = entries.slice(0, -1);
  const message = `the account is not as entry ${short.length} left it`;
  expect(() => verifyJournal({ account, entries: short })).toThrow(message);
});

test("it accepts the journal of an erased account, and checks all that is not erased", () => {
  verifyJournal(erased);
  const changed = (index: number, change: object) => () => {
    const one = { ...erased.entries[index]!, ...change };
    verifyJournal({ ...erased, entries: erased.entries.with(index, one) });
  };
  expect(changed(0, { personalDigest: new Uint8Array(32) })).toThrow("entry 1 has another hash");
  expect(changed(2, { erasedHash: new Uint8Array(32) })).toThrow("entry 3 erases another journal");
  expect(changed(2, { actor: "x" })).toThrow("entry 3 has another personal digest");
  expect(changed(3, { actor: "x" })).toThrow("entry 4 has another personal digest");
});
