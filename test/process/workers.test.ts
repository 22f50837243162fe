import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { auditDatabase } from "../support/audit.ts";
import { testDatabase } from "../support/database.ts";
import { clientsOf, compareWithDatabase, startLoad } from "../support/load.ts";
import { isAlive, runPoints, startPoints, until } from "../support/processes.ts";
import { workersOf } from "../support/workers.ts";

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

function answered(operations: readonly { outcome: { kind: string } | undefined }[]): number {
  return operations.filter(({ outcome }) => outcome?.kind === "answered").length;
}
