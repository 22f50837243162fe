import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.ts";
import { testDatabase } from "../support/database.ts";
import {
  postgresOf,
  type RunningPoints,
  runPoints,
  sessionsTo,
  startPoints,
  temporaryFolder,
  until,
} from "../support/processes.ts";

describe("DURABILITY=require", () => {
  test("does not start on a database that may lose answers, and says what to do", async () => {
    const database = await testDatabase();
    onTestFinished(() => database.close());
    await database.query(`do $$ begin execute format(
      'alter database %I set synchronous_commit = off', current_database()); end $$`);
    const environment = { DATABASE_URL: database.url, DURABILITY: "require" };
    const { code, stdout, stderr } = await runPoints(environment).exit;
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(
      new RegExp(
        "^points: DURABILITY=require, but answers may be lost in a crash, as the database has " +
          "[^:]*synchronous_commit = off: [^:]*set synchronous_commit to on, " +
          "or start with DURABILITY=warn\n$",
      ),
    );
  });

  test("serves as long as the database is durable", async () => {
    const dataDir = await temporaryFolder();
    const server = await startPoints({ DATA_DIR: dataDir, DURABILITY: "require" });
    const serves = (isServing: boolean) =>
      until(`it says that it ${isServing ? "serves" : "does not"}`, () => says(server, isServing));
    const logs = (text: string) => until(text, () => server.stderr().includes(text));
    await serves(true);

    const query = await queryOf(dataDir);
    await query("alter database points set synchronous_commit = off");
    await serves(false);
    await logs("answers may be lost in a crash: the database has synchronous_commit = off");
    await query("alter database points reset synchronous_commit");
    await serves(true);
    await logs("the database is durable again");

    await query("alter system set full_page_writes = off");
    await query("select pg_reload_conf()");
    await serves(false);
    await query("alter system reset full_page_writes");
    await query("select pg_reload_conf()");
    await serves(true);
  });
});

test("without it a server warns when the database becomes one that may lose answers", async () => {
  const dataDir = await temporaryFolder();
  const server = await startPoints({ DATA_DIR: dataDir });
  await until("it serves", () => says(server, true));
  expect(server.stderr()).not.toContain("answers may be lost");
  await (
    await queryOf(dataDir)
  )("alter table points.lot set unlogged");
  await until("it warns", () =>
    server
      .stderr()
      .includes("answers may be lost in a crash: the database has points.lot unlogged"),
  );
  expect(await says(server, true)).toBe(true);
});

/** Whether both that tell whether it serves say so. */
async function says({ baseUrl, stdout }: RunningPoints, isServing: boolean): Promise<boolean> {
  const health = createClient(
    Health,
    createGrpcTransport({ baseUrl, sessionManager: sessionsTo(baseUrl) }),
  );
  const [, admin] = /^Metrics: (http:\S+)\/metrics$/m.exec(stdout()) ?? [];
  const ready = await fetch(`${admin}/readyz`, { headers: { connection: "close" } });
  await ready.text();
  const { status } = await health.check({});
  const expected = isServing ? [Status.SERVING, 200] : [Status.NOT_SERVING, 503];
  return status === expected[0] && ready.status === expected[1];
}

/** Asks a server's own PostgreSQL. */
async function queryOf(dataDir: string): Promise<(sql: string) => Promise<unknown>> {
  const { socketFolder: host, port } = (await postgresOf(dataDir))!;
  const client = new pg.Client({ host, port, user: "points", database: "points" });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return (sql) => client.query(sql);
}
