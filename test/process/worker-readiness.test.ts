import { describe, expect, test } from "vitest";
import { until } from "../support/processes.ts";
import { adminStatus, priceVersion, startTwoWorkers, workersOf } from "../support/workers.ts";

describe("/readyz is that of a worker that serves", () => {
  test("503 without one, and 200 again once there is one", async () => {
    const server = await startTwoWorkers();
    await until("it is ready", async () => (await adminStatus(server, "/readyz")) === 200);
    await until("no worker is left", async () => {
      for (const pid of await workersOf(server)) process.kill(pid, "SIGKILL");
      return (await adminStatus(server, "/readyz")) === 503;
    });
    await until("it is ready again", async () => (await adminStatus(server, "/readyz")) === 200);
    expect(await priceVersion(server)).not.toBe("");
    expect((await server.end("SIGTERM")).code).toBe(0);
  });

  test("503 while none can start, which is tried less and less often", async () => {
    const server = await startTwoWorkers();
    await until("it is ready", async () => (await adminStatus(server, "/readyz")) === 200);
    await server.query("alter table points.migration rename to put_away");
    for (const pid of await workersOf(server)) process.kill(pid, "SIGKILL");
    await until("the pause grows", () => server.stderr().includes('"pauseMs":1000'));
    expect(server.stderr()).toMatch(/"pauseMs":500[^]*"pauseMs":1000/);
    expect(await adminStatus(server, "/readyz")).toBe(503);
    await server.query("alter table points.put_away rename to migration");
    await until("it is ready again", async () => (await adminStatus(server, "/readyz")) === 200);
    expect((await server.end("SIGTERM")).code).toBe(0);
  });

  test("503 while all of them hang", async () => {
    const server = await startTwoWorkers();
    await until("it is ready", async () => (await adminStatus(server, "/readyz")) === 200);
    const workers = await workersOf(server);
    for (const pid of workers) process.kill(pid, "SIGSTOP");
    expect(await adminStatus(server, "/readyz")).toBe(503);
    process.kill(workers[0]!, "SIGCONT");
    await until("one goes on", async () => (await adminStatus(server, "/readyz")) === 200);
    process.kill(workers[1]!, "SIGCONT");
    expect((await server.end("SIGTERM")).code).toBe(0);
  });
});

test("metrics are answered while a worker starts", async () => {
  const server = await startTwoWorkers();
  const [first] = await workersOf(server);
  process.kill(first!, "SIGKILL");
  await until("it is replaced", async () => {
    expect(await adminStatus(server, "/metrics")).toBe(200);
    const now = await workersOf(server);
    return now.length === 2 && !now.includes(first!);
  });
  expect(await adminStatus(server, "/metrics")).toBe(200);
});
