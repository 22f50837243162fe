import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { openOrm } from "../../src/store/driver/orm.ts";
import { startEmbedded } from "../../src/postgres/embedded/start.ts";
import { auditDatabase } from "../support/audit.ts";
import { testDatabase } from "../support/database.ts";
import {
  clientsOf,
  compareWithDatabase,
  countsOf,
  type Load,
  type Operation,
  type Query,
  startLoad,
} from "../support/load.ts";
import { LONG_MS } from "../support/patience.ts";
import { expectProjected, projectAll } from "../support/projected.ts";
import { isAlive, postgresOf, startPoints, temporaryFolder, until } from "../support/processes.ts";

const USERS = ["ada", "bob", "cleo", "dan", "eve", "finn"];
const IN_FLIGHT = 300;

test("nothing is lost or doubled when the server is killed under load", async () => {
  const environment = { DATA_DIR: await temporaryFolder(), SWEEP_SECONDS: "1" };
  let server = await startPoints(environment);
  const load = startLoad({ clients: clientsOf(server), users: USERS, concurrency: IN_FLIGHT });
  for (let kill = 1; kill <= 3; kill += 1) {
    await someAnswers(load);
    expect((await server.end("SIGKILL")).signal).toBe("SIGKILL");
    server = await startPoints(environment);
    load.aim(clientsOf(server));
  }
  await someAnswers(load);
  const operations = await load.finish();
  expect(countsOf(operations).repeated).toBeGreaterThan(0);

  await expectExactlyOnce(operations, await urlOf(environment.DATA_DIR));
  expect((await server.end("SIGTERM")).code).toBe(0);
});

test("nothing is lost or doubled when PostgreSQL is killed under load", async () => {
  const environment = { DATA_DIR: await temporaryFolder(), SWEEP_SECONDS: "1" };
  let server = await startPoints(environment);
  const load = startLoad({ clients: clientsOf(server), users: USERS, concurrency: IN_FLIGHT });
  for (let kill = 1; kill <= 2; kill += 1) {
    await someAnswers(load);
    const { pid } = (await postgresOf(environment.DATA_DIR))!;
    process.kill(pid, "SIGKILL");
    const { code, stderr } = await server.exit;
    expect(code).toBe(1);
    expect(stderr).toContain("the embedded PostgreSQL has stopped");
    expect(await isAlive(pid)).toBe(false);
    server = await startPoints(environment);
    load.aim(clientsOf(server));
  }
  await someAnswers(load);
  const operations = await load.finish();
  expect(countsOf(operations).repeated).toBeGreaterThan(0);

  await expectExactlyOnce(operations, await urlOf(environment.DATA_DIR));
  expect((await server.end("SIGTERM")).code).toBe(0);
});

test("nothing is lost or doubled when one of two servers on one database is killed", async () => {
  const postgres = await startEmbedded(join(await temporaryFolder(), "data"));
  onTestFinished(() => postgres.stop());
  const environment = { DATABASE_URL: postgres.url, SWEEP_SECONDS: "1" };
  const [first, second] = await Promise.all([startPoints(environment), startPoints(environment)]);
  const clients = [...clientsOf(first), ...clientsOf(second)];
  const load = startLoad({ clients, users: USERS, concurrency: IN_FLIGHT });
  await someAnswers(load);
  await first.end("SIGKILL");
  await someAnswers(load);
  const third = await startPoints(environment);
  load.aim([...clientsOf(second), ...clientsOf(third)]);
  await someAnswers(load);
  const operations = await load.finish();
  expect(countsOf(operations).repeated).toBeGreaterThan(0);

  await expectExactlyOnce(operations, postgres.url);
  for (const server of [second, third]) expect((await server.end("SIGTERM")).code).toBe(0);
});

test(
  "a server outlives the end of its connections, however often it comes",
  async () => {
    const database = await testDatabase();
    onTestFinished(() => database.close());
    const server = await startPoints({ DATABASE_URL: database.url, SWEEP_SECONDS: "1" });
    const load = startLoad({ clients: clientsOf(server), users: USERS, concurrency: IN_FLIGHT });
    // More in the midst of a transaction than the server's pool has: it may not lose any for good.
    for (let ended = 0; ended < 12;) {
      await someAnswers(load, 50);
      const rows = await database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()
         and backend_type = 'client backend' and xact_start is not null`,
      );
      ended += rows.length;
    }
    const operations = await load.finish();

    await expectExactlyOnce(operations, database.url);
    expect((await server.end("SIGTERM")).code).toBe(0);
  },
  LONG_MS,
);

/** Waits until the load has some more answers, and is in the midst of others. */
async function someAnswers({ operations }: Load, pauseMs = 300): Promise<void> {
  const answered = () => countsOf(operations).answered;
  const before = answered();
  await until("the load is answered", () => answered() > before + 100);
  await sleep(pauseMs * (0.5 + Math.random()));
}

async function expectExactlyOnce(operations: readonly Operation[], url: string): Promise<void> {
  expect(countsOf(operations)).toMatchObject({ unanswered: 0 });
  expect(await compareWithDatabase(operations, await queryOf(url))).toEqual([]);
  expect(await auditDatabase(url)).toMatchObject({ accounts: USERS.length });
  await expectProjectedOnce(url);
}

/** The projector was killed with its server, in whatever step, and went on with the next one. */
async function expectProjectedOnce(url: string): Promise<void> {
  const query = await queryOf(url);
  const [row] = await query("select feed > 0 as has_begun from points.projection");
  expect(row).toEqual({ has_begun: true });
  const orm = await openOrm(url, 2);
  await projectAll({ orm, query });
  await orm.close();
  const [counted] = await query("select count(*)::integer as entries from points.entry");
  expect(await expectProjected(query)).toBe(counted!["entries"]);
}

async function urlOf(dataDir: string): Promise<string> {
  const { socketFolder, port } = (await postgresOf(dataDir))!;
  return `postgresql://points@${encodeURIComponent(socketFolder)}:${port}/points`;
}

async function queryOf(connectionString: string): Promise<Query> {
  const client = new pg.Client({ connectionString });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return async (sql, values) => (await client.query(sql, values)).rows;
}
