import { Writable } from "node:stream";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { startProjector } from "../../src/projection/projector.ts";
import { recharge } from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase } from "../support/database.ts";
import { runPoints, until } from "../support/processes.ts";
import { expectProjected, projectAll, whenCaughtUp } from "../support/projected.ts";
import { samplesOf, valueOf } from "../support/scrape.ts";
import { testServer, type TestServer } from "../support/server.ts";

test("a server keeps the index and the sums a little behind the journal, and tells its lag", async () => {
  const database = await opened();
  const off = await testServer({}, database);
  await off.client.recharge({ userId: "ada", points: 5n, metadata: { order: "o1" } });
  expect(await lagOf(off)).toBeNaN();
  const server = await testServer({ PROJECT: "on", SEARCH_KEYS: "order" }, database);
  const hasAll = await whenCaughtUp(database.query);
  await until("the projector has caught up", hasAll);
  expect(await expectProjected(database.query)).toBe(1);
  expect(await lagOf(off)).toBeGreaterThan(0);
  expect(await lagOf(server)).toBeGreaterThan(0);
  await Promise.all([server.stop(), off.stop()]);
});

test("a server goes on with the keys that are indexed, and says that its own are others", async () => {
  const database = await opened();
  await projectAll(database, ["order", "job"]);
  await database.query("update points.projection set step_time = null");
  const lines: string[] = [];
  const log = pino(
    new Writable({
      write(line, _, done) {
        lines.push(String(line));
        done();
      },
    }),
  );
  const projector = startProjector(database.orm, ["order", "customer"], log);
  await until("it says so", () => lines.length > 0);
  await projector.stop();
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { indexed: ["order", "job"], msg: expect.stringContaining("points project --rebuild") },
  ]);
  const [row] = await database.query("select search_keys from points.projection");
  expect(row).toEqual({ search_keys: ["order", "job"] });
});

test("points project brings all up to date, and builds it anew with other keys", async () => {
  const database = await opened();
  const metadata = new Map([["order", "o1"]]);
  await commitAll(database.orm, [recharge(5n), { ...recharge(5n), metadata }]);
  const DATABASE_URL = database.url;
  const first = await runPoints({ DATABASE_URL }, ["project"]).exit;
  expect(first).toMatchObject({ code: 0, stdout: said("2 entries; keys of metadata: none") });
  expect(await expectProjected(database.query)).toBe(2);
  const environment = { DATABASE_URL, SEARCH_KEYS: "order" };
  // The second time without SEARCH_KEYS: those that are indexed stay.
  for (const given of [environment, { DATABASE_URL }]) {
    const rebuilt = await runPoints(given, ["project", "--rebuild"]).exit;
    expect(rebuilt).toMatchObject({ code: 0, stdout: said("2 entries; keys of metadata: order") });
  }
  expect(await expectProjected(database.query)).toBe(2);
  expect(await database.query("select from points.search_term")).toHaveLength(1);
});

function said(what: string): unknown {
  return expect.stringMatching(
    `^added ${what}\nall that was committed before \\S+Z is in the index and the sums\n$`,
  );
}

async function lagOf({ metrics }: TestServer): Promise<number> {
  return valueOf(samplesOf(await metrics()), "points_projection_lag_seconds")!;
}

async function opened() {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  return database;
}
