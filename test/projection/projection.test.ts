import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Command } from "../../src/ledger/command.ts";
import { isRejection } from "../../src/ledger/rejection.ts";
import { isTrial } from "../../src/ledger/trial.ts";
import { consume, freeze, recharge, refund, settle, usageOf } from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { assertUntil } from "../support/enough.ts";
import { Model } from "../support/model.ts";
import { expectProjected, projectAll } from "../support/projected.ts";
import { randomSteps } from "../support/random-commands.ts";
import { stoppedClock } from "../support/stopped-clock.ts";
import { TIMES, withCommas } from "../support/times.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

/** A quarter of an hour, and a day, ends among the first commands. */
const START = 86_400_000_000n - 20n;

const ANSWERS = 300 * TIMES;

const KEYS = ["order", "job"];
const someMetadata: fc.Arbitrary<Record<string, string>> = fc.dictionary(
  fc.constantFrom("order", "job", "other"),
  fc.constantFrom("", "1", "größer 🪙"),
  { maxKeys: 3 },
);

test(`the index and the sums are what a naive replay makes of the entries of ${withCommas(ANSWERS)} random commands`, async () => {
  let runs = 0;
  let answers = 0;
  const said = fc.record({
    metadata: fc.infiniteStream(someMetadata),
    callers: fc.infiniteStream(fc.constantFrom("", "web", "jobs")),
  });
  await assertUntil(
    () => answers >= ANSWERS,
    fc.asyncProperty(randomSteps(40), said, async (steps, { metadata, callers }) => {
      runs += 1;
      const model = new Model();
      let now = START;
      for (const { laterBy, commands } of steps) {
        now += laterBy;
        const ofRun = commands.map((command): Command => {
          return model.aim({ ...command, userId: `${command.userId}-${runs}` });
        });
        const saying = ofRun.map((command): Command => {
          if (command.kind === "open") return command;
          const pairs = new Map(Object.entries<string>(metadata.next().value));
          return { ...command, metadata: pairs, caller: callers.next().value };
        });
        const results = await commitAll(database.orm, saying, { clock: stoppedClock(now) });
        for (const [index, result] of results.entries()) {
          model.run(ofRun[index]!, now);
          if (result instanceof Error) throw result;
          if (isRejection(result) || isTrial(ofRun[index]!)) continue;
          if (result.entry === undefined) continue;
          model.learn(result.entry);
          answers += 1;
        }
      }
    }),
    20,
  );
  await projectAll(database, KEYS);
  const [counted] = await database.query("select count(*)::integer as all from points.entry");
  expect(await expectProjected(database.query)).toBe(counted!["all"]);
});

test("a settlement without a service, and its refund, count for the service of the hold", async () => {
  const userId = "ann";
  const commands = [
    recharge(100n),
    freeze(usageOf("speech", 20n)),
    settle(2n, 15n),
    refund(3n),
    consume(usageOf("caption", 5n)),
    refund(5n),
    consume(2n),
    refund(7n),
  ].map((command) => ({ ...command, userId }));
  for (const command of commands) {
    await commitAll(database.orm, [command], { clock: stoppedClock(START) });
  }
  await projectAll(database, KEYS);
  const rows = await database.query(
    `select kind, service, points from points.entry_sum where user_id = $1
    order by kind, service`,
    [userId],
  );
  expect(rows.map(({ kind, service, points }) => [kind, service, points])).toEqual([
    [1, "", "100"],
    [2, "", "2"],
    [2, "caption", "5"],
    [4, "speech", "20"],
    [5, "speech", "15"],
    [7, "", "2"],
    [7, "caption", "5"],
    [7, "speech", "15"],
  ]);
});
