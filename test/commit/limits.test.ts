import { randomInt } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UNOBSERVED } from "../../src/commit/observer.ts";
import type { Mutation } from "../../src/ledger/command.ts";
import { answer, changesOf, startBatch } from "../../src/ledger/batch.ts";
import { isRejection } from "../../src/ledger/rejection.ts";
import type { Micros } from "../../src/ledger/time.ts";
import { loadStates } from "../../src/store/batch/load.ts";
import { lockAccounts } from "../../src/store/batch/lock.ts";
import { saving } from "../../src/store/batch/save.ts";
import { batchMoment } from "../../src/store/driver/clock.ts";
import { inTransaction, type Run } from "../../src/store/driver/transaction.ts";
import { readUsable } from "../../src/store/reads/read.ts";
import { auditDatabase } from "../support/audit.ts";
import * as ada from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { LONG_MS } from "../support/patience.ts";
import { type Random, randomOf } from "../support/random.ts";
import { NO_REPEATS, SALT } from "../support/salts.ts";
import { randomLater, randomSpending } from "../support/spending.ts";
import { NOW } from "../support/statement.ts";
import { stoppedClock } from "../support/stopped-clock.ts";
import { TIMES } from "../support/times.ts";
import { beginBatch, decide, newWhole, sayResult } from "../support/whole-ledger.ts";

// Limits of accounts of which a batch loads the counts that its commands need, and no others.

const LIVES = Number(process.env["LIVES"] ?? 15 * TIMES);
const SEED = Number(process.env["SEED"] ?? randomInt(1_000_000_000));

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(async () => {
  await auditDatabase(database.url);
  await database.close();
});

const faults: unknown[] = [];
const observer = {
  ...UNOBSERVED,
  retried: (_: unknown, error: unknown) => void faults.push(error),
};

const at = (now: Micros) => ({ clock: stoppedClock(now), observer });

test(
  "a batch counts as the whole account would, and verify finds the same counts",
  async () => {
    console.log(`SEED=${SEED}`);
    for (let life = 0; life < LIVES; life += 1) {
      await live(`life-${life}`, randomOf(SEED + life)).catch((cause: unknown) => {
        throw new Error(`SEED=${SEED + life} LIVES=1 does it again`, { cause });
      });
    }
  },
  LONG_MS,
);

async function live(userId: string, random: Random): Promise<void> {
  const whole = newWhole();
  let now = NOW + BigInt(random.below(365)) * 86_400_000_000n;
  let commands: readonly Mutation[] = [ada.recharge(100_000_000n)];
  for (let step = random.whole(10, 40); step > 0; step -= 1) {
    const results = await commitAll(
      database.orm,
      commands.map((command) => ({ ...command, userId })),
      at(now),
    );
    beginBatch(whole, now);
    for (const [index, command] of commands.entries()) {
      const result = results[index]!;
      if (result instanceof Error) throw result;
      const salt = isRejection(result) ? SALT : result.account.salt;
      const expected = decide(whole, { ...command, userId }, { now, salt });
      expect(sayResult(result), `${command.kind} ${index} of a batch`).toBe(expected);
    }
    now += randomLater(random, now);
    const journal = [...whole.entries.values()];
    commands = Array.from({ length: random.whole(1, 5) }, () => randomSpending(random, journal));
  }
  expect(faults).toEqual([]);
}

const EACH = {
  kind: "limit",
  points: 50n,
  window: { kind: "calendar", unit: "day", timeZone: "UTC" },
  member: "",
  eachMember: true,
  service: "",
} as const;

/** Commits the commands of a user together, at an instant after NOW, and says what became of each. */
async function run(userId: string, time: bigint, ...commands: Mutation[]) {
  const ofUser = commands.map((command) => ({ ...command, userId }));
  return (await commitAll(database.orm, ofUser, at(NOW + time))).map((result) =>
    result instanceof Error ? String(result) : isRejection(result) ? result.reason : "applied",
  );
}

// Of a member's count only what a batch's commands bring back tells that it must be loaded.
test.each<[how: string, spends: Mutation, then: Mutation]>([
  ["a refund of a charge", ada.by("bob", ada.consume(30n)), ada.refund(3n)],
  ["a release", ada.by("bob", ada.freeze(30n, 100n)), ada.release(3n)],
  ["a settle of less", ada.by("bob", ada.freeze(30n, 100n)), ada.settle(3n, 10n)],
  ["a hold's end", ada.by("bob", ada.freeze(30n, 1n)), ada.by("eve", ada.consume(1n))],
])("%s finds the count of the member who spent, and nobody else's", async (how, spends, then) => {
  const userId = how.replaceAll(" ", "-");
  await run(userId, 0n, ada.recharge(1_000n), ada.putPolicy("each", EACH), spends);
  expect(await run(userId, 1n, then)).toEqual(["applied"]);
  const again = ada.by("bob", ada.consume(40n));
  expect(await run(userId, 2n, again, again)).toEqual(["applied", "LIMIT_EXCEEDED"]);
});

test("a limit that is put again counts anew, whatever rows members have of the one before", async () => {
  const userId = "again";
  const spend = (member: string) => run(userId, 0n, ada.by(member, ada.consume(50n)));
  await run(userId, 0n, ada.recharge(1_000n), ada.putPolicy("each", EACH));
  expect(await spend("bob")).toEqual(["applied"]);
  expect(await spend("bob")).toEqual(["LIMIT_EXCEEDED"]);
  await run(userId, 0n, ada.putPolicy("each", { ...EACH, points: 60n }));
  expect(await spend("bob")).toEqual(["LIMIT_EXCEEDED"]);
  await run(userId, 0n, ada.putPolicy("each", { ...EACH, window: { kind: "total" } }));
  expect(await spend("bob")).toEqual(["applied"]);
  expect(await spend("bob")).toEqual(["LIMIT_EXCEEDED"]);
  expect(await spend("eve")).toEqual(["applied"]);
});

test("a batch of a team sends one statement more to load, and one more to write", async () => {
  await run("plain", 0n, ada.recharge(1_000n));
  await run(
    "team",
    0n,
    ada.recharge(1_000n),
    ada.putPolicy("each", EACH),
    ada.putPolicy("both", EACH),
  );
  const plain = await statementsOf("plain");
  const team = await statementsOf("team");
  expect(plain).toEqual({ loading: 0, saving: 2 });
  expect(team).toEqual({ loading: 1, saving: 3 });
});

/** How many statements load and save a batch of charges of three members, beside locks and clock. */
async function statementsOf(userId: string) {
  const members = ["bob", "eve", "max"];
  const commands = members.map((member) => ({ ...ada.by(member, ada.consume(1n)), userId }));
  return inTransaction(database.orm, async (transaction) => {
    let loading = 0;
    const counting: Run = (query) => {
      loading += 1;
      return transaction.run(query);
    };
    const locked = lockAccounts(transaction, [userId]);
    const moment = batchMoment(transaction.run);
    const { states, rows } = await loadStates(counting, { commands, locked, moment });
    const { now, transactionId } = await moment;
    const batch = startBatch(now, { ...NO_REPEATS, found: states });
    for (const command of commands) answer(batch, command);
    return {
      loading,
      saving: saving(changesOf(batch)!, { rows, transactionId, epoch: 1n }).length,
    };
  });
}

test("a quote shows what is spent as of now, with what is due and not yet booked", async () => {
  const userId = "quoted";
  const now = BigInt(Date.now()) * 1_000n;
  const before = [
    ada.recharge(1_000n),
    ada.putPolicy("all", { ...EACH, eachMember: false, window: { kind: "total" } }),
    ada.putPolicy("each", { ...EACH, window: { kind: "total" } }),
    ada.by("bob", ada.freeze(30n, 1_000n)),
    ada.by("eve", ada.freeze(8n, 1_000n)),
    ada.by("bob", ada.freeze(5n, 3_600_000_000n)),
  ];
  const ofUser = before.map((command) => ({ ...command, userId }));
  await commitAll(database.orm, ofUser, at(now - 60_000_000n));
  const shown = async (member: string) => {
    const { limits } = (await readUsable(database.orm, userId, { service: "tts", member }))!;
    return limits.map(({ name, spent }) => `${name} ${spent}`);
  };
  expect(await shown("bob")).toEqual(["all 5", "each 5"]);
  expect(await shown("eve")).toEqual(["all 5", "each 0"]);
  expect(await shown("")).toEqual(["all 5"]);
});
