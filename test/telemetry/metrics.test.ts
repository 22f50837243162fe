import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { Shortfall } from "../../gen/points/v1/points_pb.ts";
import { clientWith } from "../support/callers.ts";
import { testDatabase } from "../support/database.ts";
import { makeLotsEditable } from "../support/editable-lots.ts";
import { clientsOf } from "../support/load.ts";
import { startPoints, until } from "../support/processes.ts";
import { creditLine } from "../support/requests.ts";
import { callGrpc, callJson, envelope } from "../support/raw-call.ts";
import { samplesOf, valueOf } from "../support/scrape.ts";
import { testServer } from "../support/server.ts";

const USER = "somebody-whose-name-is-nowhere";

describe("the metrics of a server", () => {
  test("count calls, those of the fast path, refusals by reason, and points, and name no user", async () => {
    const { client, baseUrl, metrics, database } = await start();
    await client.recharge({ userId: USER, points: 100n });
    await client.consume({ userId: USER, cost: { case: "points", value: 30n } });
    await refused(client.consume({ userId: USER, cost: { case: "points", value: 71n } }));
    await client.expire({ userId: USER, target: { case: "points", value: 5n } });
    const json = { method: "Consume", body: JSON.stringify({ userId: USER, points: "8" }) };
    expect(await callJson(baseUrl, json)).toBeUndefined();
    expect(await callJson(baseUrl, { method: "Consume", body: "{" })).toBeInstanceOf(ConnectError);
    const unreadable = envelope(Buffer.from([255]));
    expect(await callGrpc(baseUrl, { method: "Consume", body: unreadable })).toBeDefined();
    await client.applyBatch({
      operations: [
        { operation: { case: "consume", value: { userId: "nobody" } } },
        {
          operation: {
            case: "consume",
            value: { userId: "nobody", cost: { case: "points", value: 1n } },
          },
        },
      ],
    });

    const text = await metrics();
    const samples = samplesOf(text);
    const calls = (method: string, code: string) =>
      valueOf(samples, "points_rpc_duration_seconds_count", { method, code });
    expect(calls("Recharge", "OK")).toBe(1);
    expect(calls("Consume", "OK")).toBe(2);
    expect(calls("Consume", "FAILED_PRECONDITION")).toBe(1);
    expect(calls("ApplyBatch", "OK")).toBe(1);
    // All but two calls of JSON.
    expect(valueOf(samples, "points_fast_path_calls_total")).toBe(6);
    const refusals = (reason: string) => valueOf(samples, "points_refusals_total", { reason });
    expect(refusals("INSUFFICIENT_POINTS")).toBe(1);
    // Two that cannot be read, and an operation without a cost.
    expect(refusals("FIELD_INVALID")).toBe(3);
    expect(refusals("ACCOUNT_NOT_FOUND")).toBe(1);
    const moved = (kind: string) => valueOf(samples, "points_moved_total", { kind });
    expect(moved("recharged")).toBe(100);
    expect(moved("consumed")).toBe(38);
    expect(moved("expired")).toBe(5);
    expect(valueOf(samples, "points_batch_operations_sum")).toBe(6);
    const commits = valueOf(samples, "points_batch_step_seconds_count", { step: "commit" });
    expect(commits).toBe(4);
    expect(valueOf(samples, "points_pool_connections", { pool: "batches", state: "waiting" })).toBe(
      0,
    );
    expect(text).not.toContain(USER);
    expect(text).not.toContain("nobody");
    expect(await database.query("select count(*)::int as n from points.entry")).toEqual([{ n: 4 }]);
  });

  test("count points that charges lacked, and debt that was repaid", async () => {
    const { client, metrics } = await start();
    await client.putPolicy({ userId: USER, policy: creditLine(100n) });
    const charge = (value: bigint, onShortfall: Shortfall) =>
      client.consume({ userId: USER, cost: { case: "points", value }, onShortfall });
    await client.recharge({ userId: USER, points: 10n });
    await charge(35n, Shortfall.OWE);
    await client.recharge({ userId: USER, points: 50n });
    await charge(32n, Shortfall.TAKE);
    const samples = samplesOf(await metrics());
    const lacking = (kind: string) => valueOf(samples, "points_lacking_total", { kind });
    expect(lacking("owed")).toBe(25);
    expect(lacking("repaid")).toBe(25);
    expect(lacking("uncovered")).toBe(7);
    // What was owed was consumed; what is not covered was not.
    expect(valueOf(samples, "points_moved_total", { kind: "consumed" })).toBe(60);
  });

  test("count a stream when it has ended, with its code", async () => {
    const { client, metrics } = await start();
    const read = async (operations: number) => {
      const consume = { userId: USER, cost: { case: "points" as const, value: 1n } };
      async function* requests() {
        for (let n = 0; n < operations; n += 1) {
          yield {
            tag: `${n}`,
            operation: { operation: { case: "consume" as const, value: consume } },
          };
        }
      }
      const results = [];
      for await (const { result } of client.apply(requests())) results.push(result);
      return results;
    };
    expect(await read(3)).toHaveLength(3);
    const samples = samplesOf(await metrics());
    expect(
      valueOf(samples, "points_rpc_duration_seconds_count", { method: "Apply", code: "OK" }),
    ).toBe(1);
    expect(valueOf(samples, "points_refusals_total", { reason: "ACCOUNT_NOT_FOUND" })).toBe(3);
  });

  test("show for how long something due has not been booked, until it is", async () => {
    const { client, metrics, database } = await start();
    const lag = async () => valueOf(samplesOf(await metrics()), "points_sweep_lag_seconds");
    expect(await lag()).toBe(0);
    const expireTime = timestampFromMs(Date.now() + 3_600_000);
    await client.recharge({
      userId: USER,
      points: 7n,
      expiration: { case: "expireTime", value: expireTime },
    });
    expect(await lag()).toBe(0);
    await makeLotsEditable(database);
    await database.query("update edit.lot set expire_time = now() - interval '100 seconds'");
    await database.query("update points.account set due_time = now() - interval '100 seconds'");
    expect(await lag()).toBeGreaterThanOrEqual(100);
    await client.expire({ userId: USER, target: { case: "due", value: true } });
    expect(await lag()).toBe(0);
  });
});

describe("the admin port", () => {
  test("answers for one process, at the port after the RPCs' one, until it stops", async () => {
    const database = await testDatabase();
    onTestFinished(() => database.close());
    const server = await startPoints({ DATABASE_URL: database.url });
    const admin = adminOf(server.stdout());
    expect(await statusOf(`${admin}/healthz`)).toBe(200);
    expect(await statusOf(`${admin}/readyz`)).toBe(200);
    expect(await statusOf(`${admin}/`)).toBe(404);
    const samples = samplesOf(await textOf(`${admin}/metrics`));
    expect(valueOf(samples, "points_serving")).toBe(1);
    expect(valueOf(samples, "process_resident_memory_bytes")).toBeGreaterThan(0);
    expect((await server.end("SIGTERM")).code).toBe(0);
    await expect(fetch(`${admin}/healthz`)).rejects.toThrow("fetch failed");
  });

  test("shows that sums take no connection of readers of the stream", async () => {
    const database = await testDatabase();
    onTestFinished(() => database.close());
    const server = await startPoints({ DATABASE_URL: database.url, PROJECT: "off" });
    const builder = new pg.Client({ connectionString: database.url });
    await builder.connect();
    onTestFinished(() => builder.end());
    await builder.query("begin; lock table points.entry_sum in access exclusive mode");
    const client = clientWith(server.baseUrl, undefined);
    const busy = async (pool: string) => {
      const samples = samplesOf(await textOf(`${adminOf(server.stdout())}/metrics`));
      return valueOf(samples, "points_pool_connections", { pool, state: "busy" });
    };
    await until("two sums wait for the table", async () => {
      // They give up after two seconds.
      const asked = [1, 2, 3].map(() => client.summarize({}).catch(() => {}));
      const areBusy = (await busy("sums")) === 2 && (await busy("streams")) === 0;
      if (!areBusy) await Promise.all(asked);
      return areBusy;
    });
  });

  test("adds up what its workers counted", async () => {
    const database = await testDatabase();
    onTestFinished(() => database.close());
    const server = await startPoints({ DATABASE_URL: database.url, WORKERS: "2" });
    const admin = adminOf(server.stdout());
    // Each client has a connection of its own: they go to the workers by round robin.
    const clients = clientsOf(server, 4);
    for (const client of clients) await client.recharge({ userId: USER, points: 10n });
    const samples = samplesOf(await textOf(`${admin}/metrics`));
    expect(valueOf(samples, "points_moved_total", { kind: "recharged" })).toBe(40);
    expect(
      valueOf(samples, "points_rpc_duration_seconds_count", { method: "Recharge", code: "OK" }),
    ).toBe(4);
    await until("the workers serve", async () => {
      return valueOf(samplesOf(await textOf(`${admin}/metrics`)), "points_serving") === 1;
    });
    expect(await statusOf(`${admin}/readyz`)).toBe(200);
    expect((await server.end("SIGTERM")).code).toBe(0);
  });

  test("is closed if it is off", async () => {
    const database = await testDatabase();
    onTestFinished(() => database.close());
    const server = await startPoints({ DATABASE_URL: database.url, ADMIN_LISTEN: "off" });
    expect(server.stdout()).toContain("\nMetrics: off\n");
  });
});

async function start(environment: Record<string, string> = {}) {
  const server = await testServer(environment);
  onTestFinished(() => server.stop());
  return server;
}

async function refused(call: Promise<unknown>): Promise<void> {
  await expect(call).rejects.toThrow(ConnectError);
}

function adminOf(stdout: string): string {
  const [, admin] = /^Metrics: (http:\S+)\/metrics$/m.exec(stdout) ?? [];
  if (admin === undefined) throw new Error(`no admin port in ${stdout}`);
  return admin;
}

async function statusOf(url: string): Promise<number> {
  const response = await fetch(url, { headers: { connection: "close" } });
  await response.text();
  return response.status;
}

async function textOf(url: string): Promise<string> {
  const response = await fetch(url, { headers: { connection: "close" } });
  expect(response.status).toBe(200);
  return response.text();
}
