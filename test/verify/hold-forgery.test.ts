import { beforeEach, expect, test } from "vitest";
import type { Command } from "../../src/ledger/command.ts";
import { verify } from "../../src/verify/verify.ts";
import * as make from "../support/commands.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { makeLotsEditable } from "../support/editable-lots.ts";
import { ada, dropChecks, lot, rehashAda, run } from "./life.ts";

// Holds that are extended and settled in parts.

/** Hold 2 is released; hold 7 has 5 of 6 points, hold 9 is for tts and has 3. */
const JOURNAL: readonly Command[] = [
  make.recharge(100n),
  make.freeze(10n, 100n),
  make.settlePart(2n, 4n),
  make.extendHold(2n, { more: 5n, ttl: 200n }),
  make.settlePart(2n, 3n),
  make.release(2n),
  make.freeze(6n, 100n),
  make.settlePart(7n, 1n),
  make.freeze(make.usageOf("tts", 2n), 100n),
  make.extendHold(9n, { more: make.usageOf("tts", 1n) }),
];

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
  await run(database, JOURNAL, 0n);
  await makeLotsEditable(database);
  await dropChecks(database);
  return () => database.close();
});

const entry = (number: number, change: string) =>
  `update points.entry set ${change} where ${ada(number)}`;
const hold = (number: number, change: string) =>
  `update points.hold set ${change} where ${lot(number)}`;

test("such a life is sound", async () => {
  expect(await verify(database.orm)).toMatchObject({ accounts: 1, entries: 10, wrong: [] });
});

test.each<[what: string, sql: string, sequence: bigint, finds: string]>([
  [
    "a part that closes its hold and returns nothing",
    entry(3, "kept_open = null"),
    3n,
    "settles 4 of 10 points and returns 0",
  ],
  [
    "a last part that keeps its hold open",
    entry(6, "kept_open = true"),
    6n,
    "has a hold kept open, which no release has",
  ],
  [
    "a part that was spent from the hold's end",
    entry(3, "allocations = edit.pack('{2}', '{4}')"),
    3n,
    "spends other points than hold 2 has",
  ],
  [
    "a part of more than the hold has left",
    entry(5, "points = 12, allocations = edit.pack('{1}', '{12}')"),
    5n,
    "settles 12 of 11 points and returns 0",
  ],
  [
    "a release of all that was ever set aside",
    entry(6, "points = 15, allocations = edit.pack('{1}', '{15}')"),
    6n,
    "releases other points than hold 2 has",
  ],
  ["an extension of no hold", entry(4, "refers_to = 1"), 4n, "extends hold 1, which is not open"],
  [
    "an extension that shortens",
    entry(4, "expire_time = expire_time - interval '101us'"),
    4n,
    "makes hold 2 end sooner",
  ],
  [
    "an extension past 30 days from the freeze",
    entry(4, "expire_time = create_time + interval '30 days 1us'"),
    4n,
    "makes hold 2 live longer than it may",
  ],
  [
    "an extension past the hold's time",
    entry(4, "create_time = create_time + interval '100us'"),
    4n,
    "extends hold 2 past its time",
  ],
  ["an extension for ever", entry(4, "expire_time = null"), 4n, "makes a hold that never expires"],
  [
    "an extension by another service",
    entry(10, "service = 'script'"),
    10n,
    "extends hold 9 by a use of another service",
  ],
  [
    "an extension of a lot that has less",
    entry(4, "points = 95, allocations = edit.pack('{1}', '{95}')"),
    4n,
    "takes 95 points of lot 1, which has 90",
  ],
  [
    "an extension that answers with other points",
    entry(4, "hold_allocations = edit.pack('{1}', '{12}')"),
    4n,
    "says that it left other points in its hold",
  ],
  [
    "an extension that answers with more spent",
    entry(4, "hold_settled = 5"),
    4n,
    "says that it left other points in its hold",
  ],
  [
    "an extension that answers with another service",
    entry(10, "hold_service = 'script'"),
    10n,
    "says that it left other points in its hold",
  ],
  ["a hold of more points", hold(7, "points = 7"), 7n, "its hold has 7 points, not 6"],
  ["a hold of which more was spent", hold(7, "settled = 2"), 7n, "its hold has 2 settled, not 1"],
  [
    "an open hold with all that it ever had",
    hold(7, "allocations = edit.pack('{1}', '{6}')"),
    7n,
    "its hold has points of other lots",
  ],
  [
    "a released hold of which nothing was spent",
    hold(2, "settled = 0"),
    2n,
    "its hold is released with 0 settled, entry 6 made it released with 7",
  ],
  ["a hold that was not extended", hold(2, "points = 10"), 2n, "its hold has 10 points, not 15"],
  [
    "a hold that ends as it would have without its extension",
    hold(2, "expire_time = expire_time - interval '100us'"),
    2n,
    "its hold has another expiry",
  ],
])("behind hashes that fit, verify finds %s", async (_, damage, sequence, finds) => {
  await database.query(damage);
  await rehashAda(database, 1);
  expect((await verify(database.orm)).wrong).toEqual([{ userId: "ada", sequence, what: finds }]);
});
