import fc from "fast-check";
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { askReport } from "../../src/cli/ask-report.ts";
import type { Line } from "../../src/cli/report-lines.ts";
import { readRange } from "../../src/cli/report-range.ts";
import { commit } from "../../src/commit/commit.ts";
import { createGroupCommit } from "../../src/commit/group-commit.ts";
import { sweep } from "../../src/commit/sweep.ts";
import { readConfig } from "../../src/config/environment.ts";
import type { Command } from "../../src/ledger/command.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { Model } from "../support/model.ts";
import { until } from "../support/processes.ts";
import { randomYears } from "../support/random-years.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

// The reports that a real server's sums make of random journals, beside what the journal says.

const LIVES = 40;

let database: TestDatabase;
let server: TestServer;
/** The user with the most entries. */
let busiest: string;
beforeAll(async () => {
  database = await testDatabase();
  let lives = 0;
  const life = fc.asyncProperty(randomYears(40), async (steps) => {
    lives += 1;
    const model = new Model();
    let now = 1n;
    for (const { laterBy, commands } of steps) {
      now += laterBy;
      const ofLife = commands.map((command) =>
        model.aim({ ...command, userId: `${command.userId}-${lives}` }),
      );
      for (const command of ofLife) model.run(command, now);
      await commitAll(database.orm, ofLife, { clock: stoppedClock(now) });
    }
  });
  await fc.assert(life, { numRuns: LIVES });
  // Else the server's own sweep would do so meanwhile.
  const run = (commands: readonly Command[]) => commit(database.orm, commands);
  await sweep(database.orm, createGroupCommit({ ...readConfig({}), run }).submit);
  server = await testServer({ PROJECT: "on" }, database);
  const [most] = await database.query(
    "select user_id from points.entry group by user_id order by count(*) desc limit 1",
  );
  busiest = String(most!["user_id"]);
  const [row] = await database.query("select clock_timestamp()::text as now");
  const hasAll = "select from points.projection where caught_up_to >= $1::timestamptz";
  await until("the sums have all", async () => {
    return (await database.query(hasAll, [row!["now"]])).length > 0;
  });
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

const ALL = { userId: "", userIdPrefix: "" };

function reportOf(subject: Parameters<typeof askReport>[2], month: string, zone = "UTC") {
  return askReport(server.client, readRange({ month, "time-zone": zone }), subject);
}

test.each([
  { of: "all users", subject: () => ALL, where: () => "true" },
  {
    of: "one user",
    subject: () => ({ userId: busiest, userIdPrefix: "" }),
    where: () => `user_id = '${busiest}'`,
  },
  {
    // Such as those of ada-3 and ada-30, and no others.
    of: "a prefix",
    subject: () => ({ userId: "", userIdPrefix: busiest.slice(0, 5) }),
    where: () => `starts_with(user_id, '${busiest.slice(0, 5)}')`,
  },
])("a report of $of begins and ends with what accounts had", async ({ subject, where }) => {
  const zone = "Asia/Kathmandu";
  const months = await database.query(
    `select distinct to_char(create_time at time zone '${zone}', 'YYYY-MM') as month
    from points.entry where ${where()} order by month`,
  );
  expect(months.length).toBeGreaterThan(1);
  for (const month of months.map((row) => String(row["month"]))) {
    const { lines, range } = await reportOf(subject(), month, zone);
    expect(standing(lines.at(0))).toEqual(await figuresAt(range.startTime, where()));
    expect(standing(lines.at(-1))).toEqual(await figuresAt(range.endTime, where()));
  }
});

function standing(line: Line | undefined) {
  return line && { entries: line.entries, held: line.held, debt: line.debt };
}

/** What the last entries before an instant left. */
async function figuresAt(time: Timestamp, where: string) {
  const [row] = await database.query(
    `select coalesce(sum(sequence), 0) as entries, coalesce(sum(held), 0) as held,
      coalesce(sum(debt), 0) as debt
    from (
      select distinct on (user_id) sequence, balance + coalesce(frozen, 0) as held, coalesce(debt, 0) as debt
      from points.entry where create_time < $1 and ${where} order by user_id, sequence desc
    ) as last`,
    [timestampDate(time)],
  );
  const { entries, held, debt } = row as Record<string, string>;
  return { entries: BigInt(entries!), held: BigInt(held!), debt: BigInt(debt!) };
}
