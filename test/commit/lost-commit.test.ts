import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commit } from "../../src/commit/commit.ts";
import type { Answer } from "../../src/ledger/batch.ts";
import type { Command } from "../../src/ledger/command.ts";
import { databaseNow } from "../../src/store/driver/clock.ts";
import type { Orm } from "../../src/store/driver/orm.ts";
import { inSnapshot } from "../../src/store/driver/transaction.ts";
import { auditDatabase } from "../support/audit.ts";
import {
  consume as consumeOfAda,
  DUE,
  expire,
  named,
  recharge as rechargeOfAda,
} from "../support/commands.ts";
import { openByProxy } from "../support/by-proxy.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { stoppedClock } from "../support/stopped-clock.ts";
import type { Cut } from "../torture/deployment/link.ts";
import type { Proxy } from "../torture/deployment/proxy.ts";

// The connection is cut at COMMIT: the batch finds out by itself whether it was committed.

let database: TestDatabase;
let proxy: Proxy;
let orm: Orm;
beforeAll(async () => {
  database = await testDatabase();
  ({ proxy, orm } = await openByProxy(database));
});
afterAll(async () => {
  await orm.close();
  await proxy.close();
  await auditDatabase(database.url);
  await database.close();
});

const cuts: Cut[] = ["before COMMIT", "in COMMIT", "after COMMIT", "after COMMIT's answer"];

describe.each(cuts)("a connection is cut %s", (cut) => {
  const idOf = (name: string) => `${name}-${cut.replaceAll(/\W/g, "-")}`;

  test("and commands without a request id are applied once", async () => {
    const userId = idOf("ada");
    await commit(orm, [recharge(userId, 100n)]);
    const isCut = proxy.cutNext(cut);
    const commands = [consume(userId, 5n), consume(userId, 200n), recharge(userId, 1n)];
    const results = await commit(orm, commands);
    await isCut;
    expect(results).toMatchObject([
      { entry: { sequence: 2n, points: 5n }, account: { balance: 95n }, replayed: false },
      { reason: "INSUFFICIENT_POINTS", balance: 95n },
      { entry: { sequence: 3n, points: 1n }, account: { balance: 96n }, replayed: false },
    ]);
    expect(await entriesOf(userId)).toBe(3);
  });

  test("and an account that is new is made once", async () => {
    const userId = idOf("new");
    const isCut = proxy.cutNext(cut);
    const results = await commit(orm, [{ kind: "open", userId }, recharge(idOf("too"), 1n)]);
    await isCut;
    expect(results).toMatchObject([{ created: true }, { created: true, entry: { sequence: 1n } }]);
    expect(await entriesOf(idOf("too"))).toBe(1);
  });

  test("and a GetOrCreate that made its account says so", async () => {
    const userId = idOf("open");
    const isCut = proxy.cutNext(cut);
    const results = await commit(orm, [{ kind: "open", userId }]);
    await isCut;
    expect(results).toMatchObject([{ created: true, account: { sequence: 0n } }]);
  });
});

test("callers are told the epoch in which the outcome was found, and not that of the COMMIT", async () => {
  const userId = "finn";
  const [before] = await commit(orm, [recharge(userId, 100n)]);
  // The connection of now belongs to the epoch before.
  await database.query(`insert into points.epoch
    select epoch + 1, system_identifier, timeline, now() from points.epoch
    order by epoch desc limit 1`);
  const isCut = proxy.cutNext("after COMMIT");
  const [after] = await commit(orm, [consume(userId, 5n)]);
  await isCut;
  expect([before, after]).toMatchObject([{ epoch: 1n }, { epoch: 2n, replayed: false }]);
  const epochs = await database.query(
    "select epoch from points.entry where user_id = $1 order by sequence",
    [userId],
  );
  expect(epochs).toEqual([{ epoch: 1 }, { epoch: 1 }]);
});

test("changes that another server has made since raise no doubt", async () => {
  const userId = "eve";
  await commit(orm, [recharge(userId, 100n)]);
  const isCut = proxy.cutNext("before COMMIT");
  const [[lost], other] = await Promise.all([
    commit(orm, [consume(userId, 5n)]),
    isCut.then(() => commit(database.orm, [consume(userId, 5n)])),
  ]);
  expect(other).toMatchObject([{ replayed: false }]);
  expect(lost).toMatchObject({ replayed: false });
  expect(await entriesOf(userId)).toBe(3);
});

test("the same entry, made by another server at the same instant, is no proof", async () => {
  const [adam, bert] = ["adam", "bert"];
  await commit(orm, [recharge(adam, 100n), recharge(bert, 100n)]);
  const now = await inSnapshot(orm, databaseNow);
  const clock = stoppedClock(now);
  const ofBoth = { ...consume(adam, 5n), request: { id: "r", hash: Buffer.alloc(32) } };
  const isCut = proxy.cutNext("before COMMIT");
  const [lost, other] = await Promise.all([
    commit(orm, [ofBoth, consume(bert, 5n)], { clock }),
    isCut.then(() => commit(database.orm, [ofBoth], { clock })),
  ]);
  // Usually the other is first, but the retry might be.
  expect([lost[0], other[0]]).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ replayed: false }),
      expect.objectContaining({ replayed: true }),
    ]),
  );
  expect(await entriesOf(adam)).toBe(2);
  expect(await entriesOf(bert)).toBe(2);
});

test("a receipt of the same request, written later by another server, is no proof", async () => {
  const userId = "gill";
  await commit(orm, [recharge(userId, 100n)]);
  const asked = { ...named(expire(DUE), "r"), userId };
  const isCut = proxy.cutNext("before COMMIT");
  const [[lost], [, other]] = await Promise.all([
    commit(orm, [asked]),
    isCut.then(() => commit(database.orm, [consume(userId, 5n), asked])),
  ]);
  // Both get the same answer, in any order.
  const { balance, sequence } = (other as Answer).account;
  expect(lost).toMatchObject({ account: { balance, sequence } });
});

test("a COMMIT is no longer in doubt once the tables show that it never happened", async () => {
  const userId = "fred";
  await commit(orm, [recharge(userId, 100n)]);
  // The first statement that saves an entry of Fred's succeeds; later ones find the disk full.
  await database.query("create sequence points.saves");
  await database.query(`create function points.once() returns trigger language plpgsql as $$ begin
    if nextval('points.saves') > 1 then raise exception using errcode = '53100'; end if;
    return new; end $$`);
  await database.query(`create trigger once before insert on points.entry
    for each row when (new.user_id = '${userId}') execute function points.once()`);
  const isCut = proxy.cutNext("before COMMIT");
  const results = await commit(orm, [consume(userId, 5n)]);
  await isCut;
  await database.query("drop trigger once on points.entry");
  expect(results).toMatchObject([{ outcome: "NOT_APPLIED" }]);
  expect(await entriesOf(userId)).toBe(1);
});

function recharge(userId: string, points: bigint): Command {
  return { ...rechargeOfAda(points), userId };
}

function consume(userId: string, points: bigint): Command {
  return { ...consumeOfAda(points), userId };
}

async function entriesOf(userId: string): Promise<number> {
  const rows = await database.query("select from points.entry where user_id = $1", [userId]);
  return rows.length;
}
