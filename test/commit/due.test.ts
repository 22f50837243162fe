import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LATER } from "../../src/commit/batcher.ts";
import { commit, DatabaseUnavailable } from "../../src/commit/commit.ts";
import { UNOBSERVED } from "../../src/commit/observer.ts";
import type { Fault } from "../../src/errors/database-fault.ts";
import { DUE_MAX } from "../../src/ledger/batch.ts";
import type { Command } from "../../src/ledger/command.ts";
import { MAX_OPEN_HOLDS } from "../../src/ledger/hold.ts";
import { MAX_OPEN_LOTS } from "../../src/ledger/lot.ts";
import { readAccount } from "../../src/store/reads/read.ts";
import { auditDatabase } from "../support/audit.ts";
import * as ada from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { holdLockInTime } from "../support/held-lock.ts";
import { NOW } from "../support/statement.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(async () => {
  await auditDatabase(database.url);
  await database.close();
});

const HOLDS = 1_200;
const LOTS = 1_200;
const TTL = 50n;
const before = { clock: stoppedClock(NOW) };
const after = { clock: stoppedClock(NOW + TTL) };

describe("where thousands of holds and lots of an account are due", () => {
  test("its commands wait for later batches, and those of other accounts are answered at once", async () => {
    const userId = "many";
    await fill(userId);
    await commit(database.orm, [of("other", ada.recharge(5n))], before);
    const batch = [
      of(userId, ada.consume(1n)),
      of("other", ada.consume(1n)),
      of(userId, ada.open()),
    ];
    const results = await commit(database.orm, batch, after);
    expect(results).toMatchObject([LATER, { account: { balance: 4n } }, LATER]);
    const booked = await entriesOf(userId, "release");
    expect(booked).toBe(DUE_MAX);
    expect(await commitAll(database.orm, batch, after)).toMatchObject([
      { account: { balance: BigInt(HOLDS) - 1n, frozen: 0n, totalExpired: BigInt(LOTS) } },
      { account: { balance: 3n } },
      { account: { balance: BigInt(HOLDS) - 1n } },
    ]);
    expect(await entriesOf(userId, "release")).toBe(HOLDS);
    expect(await entriesOf(userId, "expire")).toBe(Math.ceil(LOTS / 500));
  });

  test("a read counts them, and books nothing", async () => {
    const userId = "read";
    await fill(userId);
    // A read goes by the database's clock, by which everything is due.
    const read = await readAccount(database.orm, userId);
    const stored = await entriesOf(userId, "freeze", "recharge");
    expect(read).toMatchObject({ balance: BigInt(HOLDS), frozen: 0n, totalExpired: BigInt(LOTS) });
    expect(read!.sequence).toBe(BigInt(stored));
    const [booked] = await commitAll(database.orm, [of(userId, ada.open())]);
    expect(booked).toMatchObject({
      account: { balance: BigInt(HOLDS), frozen: 0n, totalExpired: BigInt(LOTS) },
    });
  });

  test("booking is kept, though all commands are refused", async () => {
    const userId = "refused";
    await fill(userId);
    const batch = Array.from({ length: 9 }, () => of(userId, ada.consume(99_999n)));
    const results = await commitAll(database.orm, batch, after);
    expect(results).toMatchObject(batch.map(() => ({ reason: "INSUFFICIENT_POINTS" })));
    // The last of it is booked in the same batch that refuses.
    expect(await entriesOf(userId, "release")).toBe(HOLDS);
    expect(await entriesOf(userId, "expire")).toBe(Math.ceil(LOTS / 500));
  });

  test("a request that is answered with the last of them gets the same answer again", async () => {
    const userId = "asked";
    await fill(userId);
    const asked = [{ ...ada.named(ada.expire(ada.DUE), "r1"), userId }];
    const [first] = await commitAll(database.orm, asked, after);
    expect(first).toMatchObject({ entry: { kind: "expire", request: undefined } });
    await commit(database.orm, [of(userId, ada.consume(1n))], after);
    const [again] = await commitAll(database.orm, asked, after);
    expect(again).toEqual({ ...(first as object), replayed: true });
  });
});

test("a clock that was set back books what is due by the account's own time", async () => {
  const userId = "back";
  const clock = stoppedClock(NOW + 10n);
  const lots = Array.from({ length: 40 }, () => of(userId, ada.recharge(1n, ttl(TTL))));
  await commit(database.orm, [...lots, of(userId, ada.recharge(7n))], before);
  await commit(database.orm, [of(userId, ada.freeze(3n, 40n))], before);
  // Were it never set back, this would be the first command after all of it.
  await database.query("update points.account set update_time = $1 where user_id = $2", [
    new Date(Number((NOW + 60n) / 1_000n) + 1),
    userId,
  ]);
  const [result] = await commitAll(database.orm, [of(userId, ada.consume(8n))], { clock });
  expect(result).toMatchObject({ reason: "INSUFFICIENT_POINTS", balance: 7n });
  await database.query("delete from points.account where user_id = $1", [userId]);
  for (const table of ["entry", "lot", "hold"]) {
    await database.query(`delete from points.${table} where user_id = $1`, [userId]);
  }
});

describe("an account has a bounded number of", () => {
  test("open lots", async () => {
    const userId = "lots";
    const recharges = Array.from({ length: MAX_OPEN_LOTS }, () => of(userId, ada.recharge(1n)));
    for (let at = 0; at < recharges.length; at += 512) {
      await commit(database.orm, recharges.slice(at, at + 512), before);
    }
    const more = [of(userId, ada.recharge(1n)), of(userId, ada.consume(1n)), recharges[0]!];
    expect(await commit(database.orm, more, before)).toMatchObject([
      { reason: "ACCOUNT_FULL", full: "lots" },
      { account: { balance: BigInt(MAX_OPEN_LOTS) - 1n } },
      { account: { balance: BigInt(MAX_OPEN_LOTS) } },
    ]);
  });

  test("open holds", async () => {
    const userId = "holds";
    await commit(database.orm, [of(userId, ada.recharge(99_999n))], before);
    const freezes = Array.from({ length: MAX_OPEN_HOLDS }, () => of(userId, ada.freeze(1n)));
    for (let at = 0; at < freezes.length; at += 1_024) {
      await commit(database.orm, freezes.slice(at, at + 1_024), before);
    }
    const more = [freezes[0]!, of(userId, ada.release(2n)), freezes[0]!];
    expect(await commit(database.orm, more, before)).toMatchObject([
      { reason: "ACCOUNT_FULL", full: "holds" },
      { account: { frozen: BigInt(MAX_OPEN_HOLDS) - 1n } },
      { account: { frozen: BigInt(MAX_OPEN_HOLDS) } },
    ]);
  });
});

test("an account that another transaction has locked fails alone", async () => {
  const users = ["locked", "first", "second", "third"];
  await commit(
    database.orm,
    users.map((userId) => of(userId, ada.recharge(5n))),
  );
  const lock = await holdLockInTime(database, "locked");
  const faults: Fault[] = [];
  const observer = { ...UNOBSERVED, retried: (fault: Fault) => void faults.push(fault) };
  const charges = users.map((userId) => of(userId, ada.consume(1n)));
  const results = await commit(database.orm, charges, { observer });
  await lock.release();
  expect(results[0]).toBeInstanceOf(DatabaseUnavailable);
  expect(results[0]).toMatchObject({ outcome: "NOT_APPLIED" });
  const charged = { account: { balance: 4n } };
  expect(results.slice(1)).toMatchObject([charged, charged, charged]);
  expect(new Set(faults)).toEqual(new Set(["timeout"]));
});

function of(userId: string, command: Command): Command {
  return { ...command, userId };
}

function ttl(micros: bigint) {
  return { kind: "after", ttl: micros } as const;
}

/** Holds and lots that are all due at one instant, 1 point each. */
async function fill(userId: string): Promise<void> {
  const commands = [
    of(userId, ada.recharge(BigInt(HOLDS), { kind: "never" }, 0)),
    ...Array.from({ length: HOLDS }, () => of(userId, ada.freeze(1n, TTL))),
    ...Array.from({ length: LOTS }, () => of(userId, ada.recharge(1n, ttl(TTL), 1))),
  ];
  for (let at = 0; at < commands.length; at += 500) {
    await commit(database.orm, commands.slice(at, at + 500), before);
  }
}

async function entriesOf(userId: string, ...kinds: string[]): Promise<number> {
  const sql = "select from points.journal where user_id = $1 and kind = any($2)";
  return (await database.query(sql, [userId, kinds])).length;
}
