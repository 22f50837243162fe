import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UNOBSERVED } from "../../src/commit/observer.ts";
import type { Account } from "../../src/ledger/account.ts";
import type { Fault } from "../../src/errors/database-fault.ts";
import type { Command } from "../../src/ledger/command.ts";
import { bookDue } from "../../src/ledger/due.ts";
import { MAX_OPEN_LOTS } from "../../src/ledger/lot.ts";
import type { NextExpiration } from "../../src/ledger/next-expiration.ts";
import type { AccountState } from "../../src/ledger/state.ts";
import { readAccountAt } from "../../src/store/reads/as-of.ts";
import { DAY, daily, SWEEP } from "../support/allowances.ts";
import { auditDatabase } from "../support/audit.ts";
import {
  consume,
  DUE,
  expire,
  freeze,
  named,
  open,
  recharge,
  deletePolicy,
  putPolicy,
} from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { LONG_MS } from "../support/patience.ts";
import { commandAt, QUARTER, randomLife, type Step } from "../support/random-allowances.ts";
import { decideAt, NOW } from "../support/statement.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

const faults: unknown[] = [];
const observer = { ...UNOBSERVED, retried: (_: Fault, error: unknown) => void faults.push(error) };

test(
  "what is booked of a part of an account, with sweeps, is what the whole account leads to without",
  { timeout: LONG_MS },
  async () => {
    let lives = 0;
    await fc.assert(
      fc.asyncProperty(randomLife(25), async (life) => {
        lives += 1;
        const { journal, read } = await committed(life, `ada-${lives}`);
        expect({ journal, read }).toEqual(decided(life));
      }),
      { numRuns: 40, endOnFailure: true },
    );
    expect(faults).toEqual([]);
    await auditDatabase(database.url);
  },
);

test("lots that allowances gave wake nobody where the account's row has no room for them", async () => {
  const plan = daily({ life: { kind: "periods", count: 40 } });
  const life: Step[] = [
    { later: 0, command: putPolicy("plan", plan), sweeps: [] },
    { later: 0, command: freeze(5n, 30n * DAY), sweeps: [] },
    { later: 29 * 4, command: open(), sweeps: [] },
    { later: 80 * 4, command: consume(25n), sweeps: [{ after: 2 * 4, maxSize: 9 }] },
    { later: 20 * 4, command: open(), sweeps: [] },
  ];
  const { journal, read, clocks } = await committed(life, "bob");
  expect({ journal, read }).toEqual(decided(life));
  expect(journal.filter((line) => line.includes(" release 5 "))).toHaveLength(1);
  expect(clocks).toEqual([null]);
  await auditDatabase(database.url);
});

test.each<[what: string, change: Command, left: bigint]>([
  ["ended", deletePolicy("plan"), 17n],
  [
    "changed",
    putPolicy("plan", daily({ startTime: NOW + DAY / 2n, points: 1n, priority: 5 })),
    18n,
  ],
])("points of an allowance that was %s expire, also in the table", async (what, change, left) => {
  const userId = `table-${what}`;
  // They burn last, so that they are not in the account's row.
  await sendAt(userId, NOW, putPolicy("plan", daily({ priority: 5 })));
  for (let lots = 0; lots < 17; lots += 1) await sendAt(userId, NOW, recharge(1n));
  await sendAt(userId, NOW + DAY / 2n, change);
  const later = NOW + 2n * DAY;
  expect((await seenAt(userId, later))[0]).toBe(left);
  const refused = await sendAt(userId, later, consume(left + 1n));
  expect(refused).toMatchObject({ reason: "INSUFFICIENT_POINTS" });
  await auditDatabase(database.url);
});

test("an Expire of what is due may be answered with what an allowance gave", async () => {
  const send = (days: bigint, command: Command) =>
    commitAll(database.orm, [{ ...command, userId: "answered" }], {
      clock: stoppedClock(NOW + days * DAY),
    });
  await send(0n, putPolicy("plan", daily()));
  const [answer] = await send(1n, named(expire(DUE), "due"));
  expect(answer).toMatchObject({ entry: { kind: "recharge", cause: "plan" } });
  await auditDatabase(database.url);
});

test("a read of the past knows what an allowance gave that had ended when somebody came", async () => {
  const userId = "ended";
  const at = (days: bigint) => NOW + days * DAY + DAY / 2n;
  const send = (days: bigint, command: Command) =>
    commitAll(database.orm, [{ ...command, userId }], { clock: stoppedClock(at(days)) });
  const balance = async () =>
    (await readAccountAt(database.orm, userId, at(20n))).found!.account.balance;
  await send(0n, putPolicy("plan", daily({ startTime: at(0n), endTime: at(30n) })));
  const before = await balance();
  await send(60n, open());
  expect([before, await balance()]).toEqual([10n, 10n]);
});

test("a read of the past knows what had expired when an ended allowance gave its last points", async () => {
  const userId = "last";
  const plan = daily({ life: { kind: "periods", count: 3 }, endTime: NOW + 5n * DAY });
  const expected = [
    [4n * DAY - 1n, 30n, 4n],
    [4n * DAY, 30n, 5n],
    [5n * DAY - 1n, 30n, 5n],
    [5n * DAY, 20n, 6n],
    [5n * DAY + 1n, 20n, 6n],
    [6n * DAY - 1n, 20n, 6n],
    [6n * DAY, 10n, 7n],
    [6n * DAY + 1n, 10n, 7n],
    [7n * DAY - 1n, 10n, 7n],
    [7n * DAY, 0n, undefined],
  ];
  const seen = async () => {
    const reads = expected.map(([after]) => readAccountAt(database.orm, userId, NOW + after!));
    return (await Promise.all(reads)).map(({ found }, index) => {
      const { account, lots } = found!;
      // Of what was before the last entry, its journal tells when points would have expired.
      const day = lots === undefined ? expected[index]![2] : dayOf(lots.next);
      return [expected[index]![0], account.balance, day];
    });
  };
  await sendAt(userId, NOW, putPolicy("plan", plan));
  expect(await seen()).toEqual(expected);
  // The points of the day before expire at that instant: it gives only those of the last day.
  await sendAt(userId, NOW + 6n * DAY, open());
  expect(await seen()).toEqual(expected);
  // It leaves no entry but of what expired before it.
  await sendAt(userId, NOW + 9n * DAY, consume(1n));
  expect(await seen()).toEqual(expected);
  await sendAt(userId, NOW + 9n * DAY, recharge(1n));
  expect(await seen()).toEqual(expected);
  await auditDatabase(database.url);
});

test("a read of the past tells the points of an allowance from those of the one before it", async () => {
  const userId = "other";
  const [half, soon] = [DAY / 2n, NOW + 2n * DAY];
  await sendAt(userId, NOW, putPolicy("week", daily({ every: { count: 1, unit: "week" } })));
  await sendAt(userId, NOW, putPolicy("plan", daily({ life: { kind: "periods", count: 3 } })));
  // What expires of the one gives nothing of the other an entry before.
  await sendAt(userId, NOW, consume(10n));
  // The last points of the one expire with the first points of the other, after four days.
  const other = daily({ startTime: soon, life: { kind: "periods", count: 2 }, points: 7n });
  await sendAt(userId, NOW + DAY + half, putPolicy("plan", { ...other, endTime: soon + 2n * DAY }));
  const seen = await seenAt(userId, NOW + 3n * DAY + half);
  expect(seen).toEqual([34n, 0n, 0n]);
  await sendAt(userId, NOW + 4n * DAY, open());
  expect(await seenAt(userId, NOW + 3n * DAY + half)).toEqual(seen);
  await sendAt(userId, NOW + 4n * DAY, consume(1n));
  expect(await seenAt(userId, NOW + 3n * DAY + half)).toEqual(seen);
});

test("a read of the past counts once the points that had to wait for room", async () => {
  const userId = "room";
  const at = (quarters: bigint) => NOW + (quarters * DAY) / 4n;
  const plan = daily({ startTime: at(4n), life: { kind: "periods", count: 2 } });
  await sendAt(userId, NOW, putPolicy("plan", plan));
  const lots = Array.from({ length: MAX_OPEN_LOTS }, () => ({ ...recharge(1n), userId }));
  await commitAll(database.orm, lots, { clock: stoppedClock(NOW) });
  await sendAt(userId, at(5n), consume(1n));
  await sendAt(userId, at(6n), open());
  const seen = await seenAt(userId, at(7n));
  expect(seen).toEqual([4_105n, 0n, 0n]);
  await sendAt(userId, at(8n), consume(1n));
  expect(await seenAt(userId, at(7n))).toEqual(seen);
});

test("a read counts the periods that come before each of several holds that ended", async () => {
  const userId = "holds";
  await sendAt(userId, NOW, putPolicy("free", daily()));
  for (const halves of [3n, 11n]) await sendAt(userId, NOW, freeze(1n, (halves * DAY) / 2n));
  const later = NOW + (13n * DAY) / 2n;
  const read = await readAccountAt(database.orm, userId, later);
  expect(read.found!.account).toMatchObject({ totalRecharged: 40n, totalExpired: 30n });
  await sendAt(userId, later, open());
  const booked = await readAccountAt(database.orm, userId, later);
  expect(figuresOf(read.found!.account)).toBe(figuresOf(booked.found!.account));
});

function dayOf(next: NextExpiration | undefined): bigint | undefined {
  return next && (next.time - NOW) / DAY;
}

async function sendAt(userId: string, at: bigint, command: Command) {
  const clock = stoppedClock(at);
  const [result] = await commitAll(database.orm, [{ ...command, userId }], { clock, observer });
  if (result instanceof Error) throw result;
  return result;
}

/** What is read before each step, the accounts' clock after each sweep, and the journal that the steps, each a batch of its own, and the sweeps between them leave. */
async function committed(life: readonly Step[], userId: string) {
  const read: string[] = [];
  const clocks: unknown[] = [];
  const seen = new Map<bigint, readonly bigint[]>();
  let now = NOW;
  const send = async (command: Command, at: bigint) => {
    await sendAt(userId, at, command);
  };
  for (const one of life) {
    const halfway = now + (BigInt(one.later) * QUARTER) / 2n;
    if (halfway > now && one !== life[0]) seen.set(halfway, await seenAt(userId, halfway));
    for (const { after } of one.sweeps) {
      const at = now + BigInt(after) * QUARTER;
      if (await hasCome(userId, at)) await send(SWEEP, at);
      expect(await hasCome(userId, at)).toBe(false);
      clocks.push(await clockOf(userId));
    }
    now += BigInt(one.later) * QUARTER;
    const { found } = await readAccountAt(database.orm, userId, now);
    if (found !== undefined) read.push(figuresOf(found.account));
    // A command at an instant is after what is read then.
    if (found !== undefined && one.later > 0) seen.set(now - 1n, await seenAt(userId, now - 1n));
    await send(commandAt(one, now), now);
  }
  for (const [at, before] of seen) expect([at, await seenAt(userId, at)]).toEqual([at, before]);
  const rows = await database.query(
    `select sequence, kind, points, cause, balance, debt,
      extract(epoch from create_time)::bigint as time
    from points.journal where user_id = $1 order by sequence`,
    [userId],
  );
  const journal = rows.map((row) =>
    [row["time"], row["kind"], row["points"], row["cause"], row["balance"], row["debt"]].join(" "),
  );
  return { read, journal, clocks };
}

/** What can be spent of an account at an instant, what is frozen and what is owed. */
async function seenAt(userId: string, at: bigint): Promise<readonly bigint[]> {
  const { found } = await readAccountAt(database.orm, userId, at);
  const { balance, frozen, debt } = found!.account;
  return [balance, frozen, debt];
}

async function clockOf(userId: string): Promise<unknown> {
  const [row] = await database.query("select due_time from points.account where user_id = $1", [
    userId,
  ]);
  return row?.["due_time"];
}

/** Whether the account's clock has come, so that a sweep finds it. */
async function hasCome(userId: string, time: bigint): Promise<boolean> {
  const rows = await database.query(
    `select from points.account where user_id = $1
      and due_time <= timestamptz 'epoch' + $2::bigint * interval '1 microsecond'`,
    [userId, String(time)],
  );
  return rows.length > 0;
}

/** The same of a whole account in memory, which no sweep ever booked. */
function decided(life: readonly Step[]) {
  let state: AccountState | undefined;
  let now = NOW;
  const read: string[] = [];
  const journal = life.flatMap((one) => {
    now += BigInt(one.later) * QUARTER;
    if (state !== undefined) read.push(figuresOf(bookDue(state, now).state.account));
    const applied = decideAt(state, commandAt(one, now), now);
    ({ state } = applied);
    return applied.entries.map(({ time, kind, points, cause, after: { balance, debt } }) =>
      [time / 1_000_000n, KINDS[kind] ?? kind, points, cause, balance, debt].join(" "),
    );
  });
  return { read, journal };
}

const KINDS: Readonly<Record<string, string>> = { setPolicy: "set_policy" };

function figuresOf({ balance, frozen, debt, totalRecharged, totalExpired }: Account): string {
  return [balance, frozen, debt, totalRecharged, totalExpired].join(" ");
}
