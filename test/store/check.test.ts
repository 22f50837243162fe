import { expect, test } from "vitest";
import { type Facts, problemOf } from "../../src/store/schema/check.ts";

const USABLE: Facts = {
  version: 150_000,
  encoding: "UTF8",
  standby: false,
  readonly: false,
  role: "server",
  rights: { owner: "owner", reads: true, writes: true, filtered: false },
};

test.each<[what: string, facts: Partial<Facts>, problem: string | undefined]>([
  ["PostgreSQL 15", {}, undefined],
  ["a newer one, with nothing in it", { version: 190_002, rights: null }, undefined],
  ["an older one", { version: 140_023 }, "it is PostgreSQL 14.23: Points takes 15 or newer"],
  ["no encoding", { encoding: "SQL_ASCII" }, "its encoding is SQL_ASCII: Points takes UTF8, as"],
  ["a standby", { standby: true, readonly: true }, "it is a standby, which takes no writes"],
  ["one that takes no writes", { readonly: true }, "default_transaction_read_only is on"],
  [
    "a role that may only read",
    { rights: { owner: "owner", reads: true, writes: false, filtered: false } },
    "the role server may not use the ledger's tables, as after a restore without grants, or an upgrade " +
      "without new ones: run SERVER_ROLE=server npx points migrate as their owner, owner",
  ],
])("%s is judged by what it says of itself", (_, facts, problem) => {
  const found = problemOf({ ...USABLE, ...facts }, true);
  expect(found?.slice(0, problem?.length)).toBe(problem);
});

test("a standby, and a role that may only read, can be used for reading", () => {
  const rights = { owner: "owner", reads: true, writes: false, filtered: false };
  expect(problemOf({ ...USABLE, standby: true, readonly: true, rights }, false)).toBe(undefined);
  const none = { ...rights, reads: false };
  expect(problemOf({ ...USABLE, rights: none }, false)).toMatch(/^the role server may not use/);
});
