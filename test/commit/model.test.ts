import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UNOBSERVED } from "../../src/commit/observer.ts";
import type { Fault } from "../../src/errors/database-fault.ts";
import type { Command } from "../../src/ledger/command.ts";
import { isRejection } from "../../src/ledger/rejection.ts";
import { isTrial } from "../../src/ledger/trial.ts";
import { auditDatabase } from "../support/audit.ts";
import { commitAll } from "../support/commit-all.ts";
import { expectSame } from "../support/compare.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { Model } from "../support/model.ts";
import { LONG_MS } from "../support/patience.ts";
import { randomSteps } from "../support/random-commands.ts";
import { randomYears } from "../support/random-years.ts";
import { stoppedClock } from "../support/stopped-clock.ts";
import { withCommas, TIMES } from "../support/times.ts";

const COMMANDS = 5_000 * TIMES;

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

let runs = 0;

test.each([
  { on: "", random: randomSteps(40), numRuns: 180 * TIMES },
  {
    on: " on accounts with more lots than their rows hold",
    random: randomSteps(40, 50),
    numRuns: 60 * TIMES,
  },
  { on: " with policies over years", random: randomYears(40), numRuns: 160 * TIMES },
])(
  `what is committed is what the naive model says, for ${withCommas(COMMANDS)} random commands$on`,
  async ({ random, numRuns }) => {
    let compared = 0;
    // A batch that meets a bug is taken apart, and its commands may succeed one by one.
    const faults: unknown[] = [];
    const observer = {
      ...UNOBSERVED,
      retried: (_: Fault, error: unknown) => void faults.push(error),
    };
    await fc.assert(
      fc.asyncProperty(random, async (steps) => {
        runs += 1;
        const model = new Model();
        let now = 1n;
        for (const { laterBy, commands } of steps) {
          now += laterBy;
          const ofRun = commands.map((command): Command => {
            return model.aim({ ...command, userId: `${command.userId}-${runs}` });
          });
          const results = await commitAll(database.orm, ofRun, {
            clock: stoppedClock(now),
            observer,
          });
          for (const [index, result] of results.entries()) {
            if (result instanceof Error) throw result;
            expectSame(result, model.run(ofRun[index]!, now));
            compared += 1;
          }
          for (const [index, result] of results.entries()) {
            if (result instanceof Error || isRejection(result) || isTrial(ofRun[index]!)) continue;
            if (result.entry !== undefined) model.learn(result.entry);
          }
        }
      }),
      { numRuns },
    );
    expect(faults).toEqual([]);
    console.log(`${compared} commands compared`);
    expect(compared).toBeGreaterThan(COMMANDS);
    await auditDatabase(database.url);
  },
  LONG_MS,
);
