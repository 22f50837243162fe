import { randomInt } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UNOBSERVED } from "../../src/commit/observer.ts";
import type { Fault } from "../../src/errors/database-fault.ts";
import type { Command } from "../../src/ledger/command.ts";
import { isRejection } from "../../src/ledger/rejection.ts";
import type { Micros } from "../../src/ledger/time.ts";
import { aimedCommands } from "../support/aimed-commands.ts";
import { auditDatabase } from "../support/audit.ts";
import * as ada from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { LONG_MS } from "../support/patience.ts";
import { type Random, randomOf } from "../support/random.ts";
import { SALT } from "../support/salts.ts";
import { stoppedClock } from "../support/stopped-clock.ts";
import { TIMES } from "../support/times.ts";
import { beginBatch, decide, newWhole, sayResult, type Whole } from "../support/whole-ledger.ts";

// Differential test: a batch decides on the part of an account that it has loaded. It must decide
// what the same rules say of the whole account, to the hash of each entry.

const LIVES = Number(process.env["LIVES"] ?? 20 * TIMES);
const SEED = Number(process.env["SEED"] ?? randomInt(1_000_000_000));

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

const faults: unknown[] = [];
const observer = { ...UNOBSERVED, retried: (_: Fault, error: unknown) => void faults.push(error) };

test(
  "what is decided on a part of an account is what the whole account leads to",
  async () => {
    console.log(`SEED=${SEED}`);
    let compared = 0;
    for (let life = 0; life < LIVES; life += 1) {
      compared += await live(`life-${life}`, randomOf(SEED + life)).catch((cause: unknown) => {
        throw new Error(`SEED=${SEED + life} LIVES=1 does it again`, { cause });
      });
    }
    console.log(`${compared} commands compared`);
    await auditDatabase(database.url);
  },
  LONG_MS,
);

/** One to four accounts from their first command until all that was to expire has. */
async function live(life: string, random: Random): Promise<number> {
  const accounts = new Map(
    Array.from({ length: random.whole(1, 4) }, (_, user) => [`${life}-user-${user}`, newWhole()]),
  );
  const temper = {
    maxTtl: random.pick([6, 40, 300, 2_000]),
    never: random.pick([0.1, 0.5, 0.9]),
    recharges: random.pick([4, 10, 30]),
    maxPriority: random.pick([0, 2, 5]),
    bursts: random.pick([0, 0, 0.03]),
  };
  const [maxSize, maxStep, back] = [
    random.pick([3, 20, 80, 200]),
    random.pick([0, 2, 10]),
    random.pick([0, 0.1, 0.3]),
  ];
  let now = 1_000_000n;
  let compared = 0;
  for (let step = random.whole(5, 20); step > 0; step -= 1) {
    now += BigInt(random.whole(0, maxStep));
    if (random.chance(0.05)) now += BigInt(random.whole(0, temper.maxTtl));
    if (random.chance(back)) now -= BigInt(random.whole(0, temper.maxTtl));
    const commands = Array.from({ length: random.whole(1, maxSize) }, () => {
      const [userId, whole] = random.pick([...accounts]);
      return aimedCommands(random, { userId, whole, now }, temper);
    }).flat();
    await compare(accounts, commands, now);
    compared += commands.length;
  }
  await expectSwept(accounts, now);
  return compared;
}

async function compare(
  accounts: ReadonlyMap<string, Whole>,
  commands: readonly Command[],
  now: Micros,
): Promise<void> {
  const results = await commitAll(database.orm, commands, { clock: stoppedClock(now), observer });
  for (const userId of new Set(commands.map((command) => command.userId))) {
    beginBatch(accounts.get(userId)!, now);
  }
  for (const [index, command] of commands.entries()) {
    const result = results[index]!;
    if (result instanceof Error) throw result;
    const salt = isRejection(result) ? SALT : result.account.salt;
    const whole = accounts.get(command.userId)!;
    const expected = decide(whole, command, { now, salt });
    expect(sayResult(result), `at ${now}, ${command.kind} ${index} of a batch`).toBe(expected);
  }
  // A batch that meets a bug is taken apart, and its commands may succeed one by one.
  expect(faults).toEqual([]);
}

/** Everything falls due, and is found by the accounts' clocks alone, in several sweeps. */
async function expectSwept(accounts: ReadonlyMap<string, Whole>, now: Micros): Promise<void> {
  const userIds = [...accounts.keys()];
  for (const later of [-2_000n, 0n, 50n, 1_000n, 10_000n]) {
    const found = await dueAt(userIds, now + later);
    const sweep = found.map((userId) => ({ ...ada.expire(ada.DUE), userId }));
    if (sweep.length === 0) continue;
    await commitAll(database.orm, sweep, { clock: stoppedClock(now + later), observer });
    expect(await dueAt(userIds, now + later)).toEqual([]);
  }
  expect(faults).toEqual([]);
  for (const [userId, whole] of accounts) {
    beginBatch(whole, now + 10_000n);
    const rows = await database.query(
      "select sequence, hash from points.account where user_id = $1",
      [userId],
    );
    const hashes = rows.map(({ hash }) => (hash as Buffer).toString("hex"));
    const account = whole.state?.account;
    expect(hashes).toEqual(
      account === undefined ? [] : [Buffer.from(account.hash).toString("hex")],
    );
  }
}

async function dueAt(userIds: readonly string[], time: Micros): Promise<readonly string[]> {
  const rows = await database.query(
    `select user_id from points.account where user_id = any($1)
      and due_time <= timestamptz 'epoch' + $2::bigint * interval '1 microsecond'`,
    [userIds, String(time)],
  );
  return rows.map((row) => String(row["user_id"]));
}
