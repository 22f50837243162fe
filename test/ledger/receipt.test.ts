import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { GENESIS_HASH } from "../../src/ledger/account.ts";
import { answer, changesOf, startBatch } from "../../src/ledger/batch.ts";
import type { Command } from "../../src/ledger/command.ts";
import { personalDigestOf } from "../../src/ledger/digests.ts";
import { hashReceipt, type Receipt } from "../../src/ledger/receipt.ts";
import type { AccountState } from "../../src/ledger/state.ts";
import { chainReceipt } from "../../src/verify/hashes.ts";
import { consume, DUE, expire, expireLot, named, open, recharge } from "../support/commands.ts";
import { NO_REPEATS, SALT } from "../support/salts.ts";
import { NOW, stateOf } from "../support/statement.ts";

const fingerprint = new Uint8Array(16).fill(0xab);
const receipt: Omit<Receipt, "hash"> = {
  userId: "ada",
  number: 2n,
  request: { id: "job-1", fingerprint },
  sequence: 7n,
  madeEntry: true,
};
const account = {
  createTime: 1_767_225_600_000_001n,
  hash: new Uint8Array(32).fill(0xcd),
  salt: SALT,
};

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

test("the hash is that of the documented bytes", () => {
  const { userId, request } = receipt;
  const personal = hexOf(
    personalDigestOf(SALT, { userId, request, metadata: new Map(), actor: "", member: "" }),
  );
  const bytes = `
    01 00000001 32
    02 00000020 ${personal}
    03 00000010 ${"ab".repeat(16)}
    04 00000001 37
    05 00000001 31
    06 00000010 31373637323235363030303030303031
    07 00000020 ${"cd".repeat(32)}`;
  const content = Buffer.from(bytes.replaceAll(/\s/g, ""), "hex");
  const expected = createHash("sha256").update(GENESIS_HASH).update(content).digest("hex");
  const hash = hashReceipt(GENESIS_HASH, receipt, account);
  expect(hexOf(hash)).toBe(expected);
  expect(hexOf(chainReceipt(GENESIS_HASH, { ...receipt, hash }, account))).toBe(expected);
});

test.each<[what: string, changed: Partial<Receipt & typeof account>]>([
  ["the user", { userId: "bob" }],
  ["the number", { number: 3n }],
  ["the request's id", { request: { id: "job-2", fingerprint } }],
  ["the fingerprint", { request: { id: "job-1", fingerprint: SALT } }],
  ["that there was no request", { request: undefined }],
  ["the entry", { sequence: 8n }],
  ["that the entry is its answer", { madeEntry: false }],
  ["when the account was made", { createTime: 1n }],
  ["the entry's hash", { hash: new Uint8Array(32) }],
  ["the account's salt", { salt: SALT.toReversed() }],
])("the hash covers %s", (_, changed) => {
  const hash = hashReceipt(GENESIS_HASH, receipt, account);
  const other = hashReceipt(GENESIS_HASH, { ...receipt, ...changed }, { ...account, ...changed });
  expect(other).not.toEqual(hash);
});

describe("a receipt is made of", () => {
  const cases: [
    what: string,
    state: AccountState | undefined,
    commands: Command[],
    made: string[],
  ][] = [
    ["an account that is opened", undefined, [open(), open()], ["1 of no request at 0"]],
    ["no account that is there", stateOf(["#1: 5 of 5"]), [open()], []],
    ["no account that a recharge makes", undefined, [recharge(5n), open()], []],
    [
      "named requests that find nothing to do",
      stateOf(["#1: 0 of 5", "#2: 5 of 5"]),
      [
        named(expire(DUE), "r1"),
        named(consume(1n), "r2"),
        named(expireLot(1n), "r3"),
        named(expire(DUE), "r1"),
        expire(DUE),
      ],
      ["1 of r1 at 2", "2 of r3 at 3"],
    ],
    [
      "a named request that booked what was due",
      stateOf(["#1: 5 of 5, expires now"]),
      [named(expire(DUE), "r1")],
      ["1 of r1 at 2, its answer"],
    ],
    [
      "an account that is opened, and its requests",
      undefined,
      [open(), named(expire(DUE), "r1"), recharge(5n), named(expire(DUE), "r2")],
      ["1 of no request at 0", "2 of r1 at 0", "3 of r2 at 1"],
    ],
  ];
  test.each(cases)("%s", (_, state, commands, made) => {
    expect(receiptsOf(state, commands).map(lineOf)).toEqual(made);
  });

  test("the account's next number, and chains to its last", () => {
    const lastReceipt = { number: 8n, hash: new Uint8Array(32).fill(1) };
    const state = { ...stateOf(["#1: 5 of 5"]), lastReceipt };
    const commands = ["r1", "r2"].map((id) => named(expire(DUE), id));
    const [first, second] = receiptsOf(state, commands);
    expect([first?.number, second?.number]).toEqual([9n, 10n]);
    expect(first?.hash).toEqual(hashReceipt(lastReceipt.hash, first!, state.account));
    expect(second?.hash).toEqual(hashReceipt(first!.hash, second!, state.account));
  });
});

function receiptsOf(state: AccountState | undefined, commands: Command[]): readonly Receipt[] {
  const batch = startBatch(NOW, { ...NO_REPEATS, found: state === undefined ? [] : [state] });
  for (const command of commands) expect(answer(batch, command)).toHaveProperty("account");
  return changesOf(batch)?.receipts ?? [];
}

function lineOf({ number, request, sequence, madeEntry }: Receipt): string {
  return `${number} of ${request?.id ?? "no request"} at ${sequence}${madeEntry ? ", its answer" : ""}`;
}
