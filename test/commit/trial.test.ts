import { afterAll, beforeAll, expect, test } from "vitest";
import { LATER } from "../../src/commit/batcher.ts";
import { commit } from "../../src/commit/commit.ts";
import type { Mutation } from "../../src/ledger/command.ts";
import { auditDatabase } from "../support/audit.ts";
import * as ada from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { NOW } from "../support/statement.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

// Trials: commands that are only decided and answered (validate_only).

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(async () => {
  await auditDatabase(database.url);
  await database.close();
});

const TTL = 50n;
const at = (laterBy: bigint) => ({ clock: stoppedClock(NOW + laterBy) });

test("a trial is answered as the command would be, and changes no row", async () => {
  const of = ofUser("as-real");
  await commit(database.orm, [of(ada.recharge(100n)), of(ada.freeze(20n))], at(0n));
  const commands = [
    of(ada.recharge(5n)),
    of(ada.consume(30n)),
    of(ada.consume(81n)),
    of(ada.freeze(3n)),
    of(ada.settle(2n, 4n)),
    of(ada.release(2n)),
    of(ada.refund(1n)),
    of(ada.expireLot(1n)),
    of(ada.expire(ada.DUE)),
  ];
  for (const [n, command] of commands.entries()) {
    const named = ada.named(command, `r${n}`);
    const before = await rowsOf("as-real");
    const [tried] = await commit(database.orm, [trial(named)], at(1n));
    expect({ n, ...(await rowsOf("as-real")) }).toEqual({ n, ...before });
    // Another trial is answered alike, for nothing is remembered.
    expect(await commit(database.orm, [trial(named)], at(1n))).toEqual([tried]);
  }
  const real = await commit(database.orm, [of(ada.consume(30n))], at(1n));
  const [, tried] = await commit(
    database.orm,
    [of(ada.open()), trial(of(ada.consume(30n)))],
    at(1n),
  );
  expect(real[0]).toMatchObject({ account: { balance: 50n }, entry: { sequence: 3n } });
  expect(tried).toMatchObject({ account: { balance: 20n }, entry: { sequence: 4n, points: 30n } });
});

test("a trial makes no account, and takes no request id", async () => {
  const of = ofUser("nobody");
  const recharge = ada.named(of(ada.recharge(5n)), "r1");
  const [tried] = await commit(database.orm, [trial(recharge)], at(0n));
  expect(tried).toMatchObject({ replayed: false, account: { balance: 5n, sequence: 1n } });
  expect(await rowsOf("nobody")).toEqual({ account: [], others: "0" });
  const [consumed] = await commit(database.orm, [trial(of(ada.consume(1n)))], at(0n));
  expect(consumed).toMatchObject({ reason: "ACCOUNT_NOT_FOUND" });
  expect(await commit(database.orm, [recharge], at(0n))).toMatchObject([{ replayed: false }]);
  // The first answer is shown from then on, and another request under the id is refused.
  expect(await commit(database.orm, [trial(recharge)], at(9n))).toMatchObject([
    { replayed: true, entry: { time: NOW } },
  ]);
  const other = ada.named(of(ada.recharge(6n)), "r1", "another");
  expect(await commit(database.orm, [trial(other)], at(9n))).toMatchObject([
    { reason: "REQUEST_ID_REUSED" },
  ]);
});

test("a trial sees what the commands before it in its batch did, and those after it see nothing", async () => {
  const of = ofUser("among");
  const batch = [
    of(ada.recharge(10n)),
    trial(of(ada.consume(4n))),
    of(ada.consume(1n)),
    trial(of(ada.consume(10n))),
    trial(of(ada.consume(9n))),
  ];
  expect(await commit(database.orm, batch, at(0n))).toMatchObject([
    { account: { balance: 10n } },
    { account: { balance: 6n } },
    { account: { balance: 9n, sequence: 2n } },
    { reason: "INSUFFICIENT_POINTS" },
    { account: { balance: 0n, sequence: 3n } },
  ]);
  expect(await balanceOf("among")).toBe("9");
});

test("what is due is counted by a trial, and left to be booked", async () => {
  const of = ofUser("due");
  await commit(database.orm, [of(ada.recharge(7n, { kind: "after", ttl: TTL }))], at(0n));
  const before = await rowsOf("due");
  const trials = [trial(of(ada.consume(1n))), trial(of(ada.expire(ada.DUE)))];
  expect(await commit(database.orm, trials, at(TTL))).toMatchObject([
    { reason: "INSUFFICIENT_POINTS", balance: 0n },
    { entry: { kind: "expire", points: 7n, sequence: 2n }, account: { balance: 0n } },
  ]);
  expect(await rowsOf("due")).toEqual(before);
  // The next command books it, and is answered with it.
  const commands = [trial(of(ada.expire(ada.DUE))), of(ada.expire(ada.DUE))];
  const [, booked] = await commit(database.orm, commands, at(TTL));
  expect(booked).toMatchObject({ entry: { kind: "expire", points: 7n, sequence: 2n } });
});

test("an account's clock that came for nothing stays as it is", async () => {
  const of = ofUser("clock");
  const soon = { kind: "after", ttl: TTL } as const;
  await commit(database.orm, [of(ada.recharge(7n, soon)), of(ada.recharge(1n))], at(0n));
  await commit(database.orm, [of(ada.consume(7n))], at(0n));
  await database.query("update points.account set due_time = update_time where user_id = 'clock'");
  const before = await rowsOf("clock");
  await commit(database.orm, [trial(of(ada.consume(1n)))], at(TTL));
  expect(await rowsOf("clock")).toEqual(before);
});

test("more than a batch can book is booked all the same, so that the trial is answered", async () => {
  const of = ofUser("many");
  const holds = Array.from({ length: 1_200 }, () => of(ada.freeze(1n, TTL)));
  await commitAll(database.orm, [of(ada.recharge(1_200n)), ...holds], at(0n));
  const tried = [trial(of(ada.consume(1_200n)))];
  let batches = 0;
  let [result] = await commit(database.orm, tried, at(TTL));
  for (; result === LATER && batches < 9; batches += 1) {
    [result] = await commit(database.orm, tried, at(TTL));
  }
  expect(batches).toBe(2);
  expect(result).toMatchObject({ account: { balance: 0n, frozen: 0n } });
  expect(await balanceOf("many")).not.toBe("0");
});

function trial(command: Mutation): Mutation {
  return { ...command, validateOnly: true };
}

function ofUser(userId: string) {
  return <C extends { readonly userId: string }>(command: C): C => ({ ...command, userId });
}

/** The account's row, with the number of its version, and the number of its other rows. */
async function rowsOf(userId: string) {
  const tables = ["lot", "hold", "entry", "undone", "receipt"].map(
    (table) => `(select count(*) from points.${table} where user_id = $1)`,
  );
  const account = await database.query(
    "select *, xmin::text as version from points.account where user_id = $1",
    [userId],
  );
  const [row] = await database.query(`select ${tables.join(" + ")} as others`, [userId]);
  return { account, ...(row as { others: string }) };
}

async function balanceOf(userId: string): Promise<unknown> {
  const rows = await database.query("select balance from points.account where user_id = $1", [
    userId,
  ]);
  return (rows[0] as { balance: string }).balance;
}
