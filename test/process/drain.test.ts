import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { sql } from "kysely";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { closePool } from "../../src/postgres/database.ts";
import { openOrm } from "../../src/store/driver/orm.ts";
import { auditDatabase } from "../support/audit.ts";
import { testDatabase } from "../support/database.ts";
import { clientsOf, compareWithDatabase, countsOf, startLoad } from "../support/load.ts";
import { type RunningPoints, sessionsTo, startPoints, until } from "../support/processes.ts";

test("a server that is told to stop under load answers all that it applies", async () => {
  const { url, query } = await database();
  const server = await startPoints({ DATABASE_URL: url, DRAIN_MS: "600000" });
  const users = ["ada", "bob", "cleo", "dan"];
  const options = { clients: clientsOf(server), users, concurrency: 200, repeats: false };
  const load = startLoad(options);
  await until("the load is answered", () => countsOf(load.operations).answered > 500);

  expect((await server.end("SIGTERM")).code).toBe(0);
  // By now every call has ended: what comes after is not even connected.
  const operations = await load.finish();
  expect(countsOf(operations).unanswered).toBeGreaterThan(0);
  expect(await compareWithDatabase(operations, query)).toEqual([]);
  await auditDatabase(url);
});

test("a server that is told to stop answers what is under way and what is queued", async () => {
  const { url, query } = await database();
  const server = await startPoints({ DATABASE_URL: url, DRAIN_MS: "600000" });
  const [client] = clientsOf(server, 1);
  await client!.recharge({ userId: "ada", points: 1_000n });

  // A transaction of somebody else holds the account: one batch waits for it, the rest is queued.
  const other = await connectedTo(url);
  await other.query("begin; select from points.account where user_id = 'ada' for update");
  const calls = Array.from({ length: 100 }, async (_, index) => {
    const cost = { case: "points", value: 1n } as const;
    return client!.consume({ userId: "ada", requestId: `r${index}`, cost });
  });
  const answers = Promise.all(calls);
  answers.catch(() => {});
  await until("a batch waits for the account", async () => {
    const waiting = await query(
      `select from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return waiting.length > 0;
  });
  // Requests of one connection arrive in order: when this is answered, all charges are there.
  await expect(client!.getOrCreate({ userId: "" })).rejects.toThrow("user_id");

  const exit = server.end("SIGTERM");
  await until("it is stopping", () => server.stderr().includes('"stopping"'));
  await sleep(300);
  await other.query("commit");

  const sequences = (await answers).map(({ entry }) => entry?.sequence).toSorted(ascending);
  expect(sequences).toEqual(Array.from({ length: 100 }, (_, index) => BigInt(index + 2)));
  expect((await exit).code).toBe(0);
  await expect(client!.getOrCreate({ userId: "ada" })).rejects.toThrow();
  expect(await auditDatabase(url)).toEqual({ accounts: 1, entries: 101 });
});

test("a server that is told to stop says NOT_SERVING to who watches its health", async () => {
  const { url } = await database();
  const server = await startPoints({ DATABASE_URL: url, DRAIN_MS: "600000" });
  const health = createClient(Health, transportTo(server));
  const seen: Status[] = [];
  const watched = (async () => {
    for await (const { status } of health.watch({ service: PointsService.typeName })) {
      seen.push(status);
    }
  })();
  await until("it serves", () => seen.at(-1) === Status.SERVING);
  const exit = server.end("SIGTERM");
  // The stream ends well, and not because the connection was cut.
  await watched;
  expect(seen.at(-1)).toBe(Status.NOT_SERVING);
  expect((await exit).code).toBe(0);
});

test("a pool is closed though somebody is just getting a connection of it", async () => {
  const { url } = await database();
  const orm = await openOrm(url, 2);
  const asked = sql`select 1`.execute(orm.em.fork().getKysely());
  asked.catch(() => {});
  await closePool(orm);
});

async function database() {
  const made = await testDatabase();
  onTestFinished(() => made.close());
  return made;
}

function transportTo({ baseUrl }: RunningPoints) {
  return createGrpcTransport({ baseUrl, sessionManager: sessionsTo(baseUrl) });
}

async function connectedTo(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

function ascending(a: bigint | undefined, b: bigint | undefined): number {
  return Number(a) - Number(b);
}
