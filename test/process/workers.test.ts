import { readFile, writeFile } from "node:fs/promises";
import type { SecureClientSessionOptions } from "node:http2";
import { createServer } from "node:net";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { describe, expect, onTestFinished, test } from "vitest";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { auditDatabase } from "../support/audit.ts";
import { tokenOf, writeCallers } from "../support/callers.ts";
import { makeAuthority, writeCertificate } from "../support/certificates.ts";
import { testDatabase } from "../support/database.ts";
import { clientsOf, compareWithDatabase, startLoad } from "../support/load.ts";
import {
  isAlive,
  type RunningPoints,
  runPoints,
  startPoints,
  temporaryFolder,
  until,
} from "../support/processes.ts";

test("two workers on one port: one is killed under load, is replaced, and nothing is lost", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const server = await startPoints({ DATABASE_URL: database.url, WORKERS: "2" });
  const before = await workersOf(server);
  expect(before).toHaveLength(2);

  const clients = clientsOf(server, 4);
  const users = Array.from({ length: 8 }, (_, n) => `user-${n}`);
  const load = startLoad({ clients, users, concurrency: 32 });
  await until("operations are answered", () => answered(load.operations) > 200);
  process.kill(before[0]!, "SIGKILL");
  await until("the killed one is replaced", async () => {
    const now = await workersOf(server);
    return now.length === 2 && !now.includes(before[0]!);
  });
  const soFar = answered(load.operations);
  await until("operations are answered after it", () => answered(load.operations) > soFar + 200);
  const operations = await load.finish();

  expect(await compareWithDatabase(operations, database.query)).toEqual([]);
  await auditDatabase(database.url);
  const workers = await workersOf(server);
  const { code, stderr } = await server.end("SIGTERM");
  expect(code).toBe(0);
  expect(stderr).toContain("a worker has ended; another follows");
  for (const pid of workers) expect(await isAlive(pid)).toBe(false);
});

describe("files that are broken while workers serve", () => {
  test("keep none from being replaced, with what was in force", async () => {
    const folder = await temporaryFolder();
    const authority = await makeAuthority();
    const environment = {
      ...(await writeCertificate(folder, await authority.sign("localhost"))),
      ...(await writeCallers(folder, { one: { scopes: ["points.read"] } })),
      PRICES: await writePrices(folder, "v1"),
    };
    const server = await started(environment);
    const version = () => versionAt(server, { ca: authority.cert });
    for (const file of Object.values(environment)) await writeFile(file, "{ broken");
    server.child.kill("SIGHUP");
    await until("they are refused", () => {
      return ["prices", "callers", "certificates"].every((what) =>
        server.stderr().includes(`the new ${what} are refused`),
      );
    });
    for (const pid of await workersOf(server)) {
      const before = await workersOf(server);
      process.kill(pid, "SIGKILL");
      await until("it is replaced", async () => {
        const now = await workersOf(server);
        return now.length === before.length && !now.includes(pid);
      });
    }
    await until("it is ready", async () => (await readiness(server)) === 200);
    for (let round = 0; round < 8; round += 1) expect(await version()).toBe("v1");
    expect(server.stderr()).not.toContain("points: ");
    expect((await server.end("SIGTERM")).code).toBe(0);
  });

  test("come into force in all of them when they are mended, also in those that start", async () => {
    const folder = await temporaryFolder();
    const server = await started({ PRICES: await writePrices(folder, "v1") });
    for (const version of ["v2", "v3", "v4"]) {
      const [first] = await workersOf(server);
      process.kill(first!, "SIGKILL");
      await until("one has ended", async () => !(await workersOf(server)).includes(first!));
      // Before, while or after another one reads what it is to serve by.
      await writePrices(folder, version);
      server.child.kill("SIGHUP");
      await until("all of them serve by it", async () => {
        if ((await workersOf(server)).length < 2 || (await readiness(server)) !== 200) return false;
        const found = await Promise.all(Array.from({ length: 8 }, () => versionAt(server)));
        return found.every((one) => one === version);
      });
    }
    expect((await server.end("SIGTERM")).code).toBe(0);
  });
});

describe("/readyz is that of a worker that serves", () => {
  test("503 without one, and 200 again once there is one", async () => {
    const server = await started();
    await until("it is ready", async () => (await readiness(server)) === 200);
    await until("no worker is left", async () => {
      for (const pid of await workersOf(server)) process.kill(pid, "SIGKILL");
      return (await readiness(server)) === 503;
    });
    await until("it is ready again", async () => (await readiness(server)) === 200);
    expect(await versionAt(server)).not.toBe("");
    expect((await server.end("SIGTERM")).code).toBe(0);
  });

  test("503 while none can start, which is tried less and less often", async () => {
    const { server, query } = await startedWithDatabase();
    await until("it is ready", async () => (await readiness(server)) === 200);
    await query("alter table points.migration rename to put_away");
    for (const pid of await workersOf(server)) process.kill(pid, "SIGKILL");
    await until("the pause grows", () => server.stderr().includes('"pauseMs":1000'));
    expect(server.stderr()).toMatch(/"pauseMs":500[^]*"pauseMs":1000/);
    expect(await readiness(server)).toBe(503);
    await query("alter table points.put_away rename to migration");
    await until("it is ready again", async () => (await readiness(server)) === 200);
    expect((await server.end("SIGTERM")).code).toBe(0);
  });

  test("503 while all of them hang", async () => {
    const server = await started();
    await until("it is ready", async () => (await readiness(server)) === 200);
    const workers = await workersOf(server);
    for (const pid of workers) process.kill(pid, "SIGSTOP");
    expect(await readiness(server)).toBe(503);
    process.kill(workers[0]!, "SIGCONT");
    await until("one goes on", async () => (await readiness(server)) === 200);
    process.kill(workers[1]!, "SIGCONT");
    expect((await server.end("SIGTERM")).code).toBe(0);
  });
});

test("metrics are answered while a worker starts", async () => {
  const server = await started();
  const [first] = await workersOf(server);
  process.kill(first!, "SIGKILL");
  await until("it is replaced", async () => {
    const { status } = await fetch(new URL("/metrics", adminOf(server)));
    expect(status).toBe(200);
    const now = await workersOf(server);
    return now.length === 2 && !now.includes(first!);
  });
  const { status } = await fetch(new URL("/metrics", adminOf(server)));
  expect(status).toBe(200);
});

test("workers that cannot listen end the server with a sentence", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const taken = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void taken.close());
  await until("the port is taken", () => taken.listening);
  const { port } = taken.address() as { port: number };
  const { exit } = runPoints({
    DATABASE_URL: database.url,
    WORKERS: "2",
    LISTEN: `127.0.0.1:${port}`,
  });
  const { code, stderr } = await exit;
  expect(code).toBe(1);
  expect(stderr).toContain("points: cannot serve: ");
});

async function started(environment: Record<string, string> = {}): Promise<RunningPoints> {
  return (await startedWithDatabase(environment)).server;
}

async function startedWithDatabase(environment: Record<string, string> = {}) {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const given = { DATABASE_URL: database.url, WORKERS: "2", ...environment };
  return { server: await startPoints(given), query: database.query };
}

async function writePrices(folder: string, version: string): Promise<string> {
  const path = join(folder, "prices.yaml");
  await writeFile(path, `version: ${version}\nservices: { it: free }`);
  return path;
}

/** The price list of the worker that gets the next connection. */
async function versionAt(
  { port, stdout }: RunningPoints,
  nodeOptions: SecureClientSessionOptions = {},
): Promise<string> {
  const isSecure = stdout().includes("; TLS)");
  const baseUrl = `${isSecure ? "https" : "http"}://localhost:${port}`;
  const sessionManager = new Http2SessionManager(baseUrl, undefined, nodeOptions);
  const transport = createGrpcTransport({ baseUrl, sessionManager });
  const header = { authorization: `Bearer ${tokenOf("one")}` };
  const headers = isSecure ? header : {};
  try {
    const client = createClient(PointsService, transport);
    return (await client.listPrices({}, { headers })).priceVersion;
  } finally {
    sessionManager.abort();
  }
}

async function readiness(server: RunningPoints): Promise<number> {
  return (await fetch(new URL("/readyz", adminOf(server)))).status;
}

function adminOf({ stdout }: RunningPoints): string {
  const [, metrics] = /Metrics: (\S+)/.exec(stdout())!;
  return metrics!;
}

function answered(operations: readonly { outcome: { kind: string } | undefined }[]): number {
  return operations.filter(({ outcome }) => outcome?.kind === "answered").length;
}

async function workersOf({ child: { pid } }: RunningPoints): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return children.trim().split(" ").filter(Boolean).map(Number);
}
