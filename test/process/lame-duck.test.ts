import { setTimeout as sleep } from "node:timers/promises";
import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { expect, onTestFinished, test } from "vitest";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { testDatabase } from "../support/database.ts";
import { points } from "../support/requests.ts";
import { type RunningPoints, sessionsTo, startPoints, until } from "../support/processes.ts";

const CALLERS = 8;

test.for(["1", "2"])(
  "a balancer that stops when /readyz is 503 loses no call, with %s workers",
  async (WORKERS) => {
    const server = await started({ LAMEDUCK_MS: "600000", WORKERS });
    await until("it is ready", async () => (await ready(server)) === 200);
    let [isTold, isOut] = [false, false];
    const balancer = (async () => {
      // A slow machine's health check may fail before.
      while ((await ready(server)) === 200 || !isTold) await sleep(50);
      isOut = true;
    })();
    let answered = 0;
    const callers = Array.from({ length: CALLERS }, async (_, index) => {
      while (!isOut) {
        await consume(server, `user-${index}`);
        answered += 1;
      }
    });
    await until("calls are answered", () => answered > 50);
    server.child.kill("SIGTERM");
    isTold = true;
    await balancer;
    const before = answered;
    await Promise.all(callers);
    expect(answered).toBeGreaterThanOrEqual(before);

    // It goes on as long as it was told to, for who has not noticed.
    const transport = createGrpcTransport({
      baseUrl: server.baseUrl,
      sessionManager: sessionsTo(server.baseUrl),
    });
    const health = createClient(Health, transport);
    expect((await health.check({})).status).toBe(Status.NOT_SERVING);
    await consume(server, "user-0");
    expect(await ready(server)).toBe(503);

    // Whoever says it again does not want to wait. What comes within a second is the same Ctrl-C.
    let hasEnded = false;
    void server.exit.then(() => (hasEnded = true));
    await until("it has ended", async () => {
      if (!hasEnded) server.child.kill("SIGTERM");
      await sleep(200);
      return hasEnded;
    });
    expect(await server.exit).toMatchObject({ code: 0, signal: null });
  },
);

test("the lame duck ends by itself, and the drain comes after it", async () => {
  // On a slow machine it may end before it was asked anything: then the next lasts longer.
  for (let [ms, isServed] = [1_500, false]; !isServed; ms *= 2) {
    const server = await started({ LAMEDUCK_MS: String(ms) });
    const since = performance.now();
    const exit = server.end("SIGTERM");
    const served = async () => {
      while ((await ready(server)) !== 503) await sleep(20);
      await consume(server, "user-0");
    };
    isServed = await served().then(
      () => true,
      () => false,
    );
    expect((await exit).code).toBe(0);
    expect(performance.now() - since).toBeGreaterThan(ms - 10);
  }
});

test("a Ctrl-C that npm has passed on as well does not cut the lame duck short", async () => {
  const server = await started({ LAMEDUCK_MS: "1500" });
  const since = performance.now();
  server.child.kill("SIGINT");
  server.child.kill("SIGTERM");
  expect((await server.exit).code).toBe(0);
  expect(performance.now() - since).toBeGreaterThan(1_490);
});

async function started(environment: Record<string, string>): Promise<RunningPoints> {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const server = await startPoints({ DATABASE_URL: database.url, ...environment });
  await calling(server, async (client) => {
    for (let index = 0; index < CALLERS; index += 1) {
      await client.recharge({ userId: `user-${index}`, points: 1_000_000n });
    }
  });
  return server;
}

/** On a connection of its own: new ones are taken to the end. */
function consume(server: RunningPoints, userId: string): Promise<unknown> {
  return calling(server, (client) => client.consume({ userId, cost: points(1n) }));
}

async function calling(
  { baseUrl }: RunningPoints,
  work: (client: Client<typeof PointsService>) => Promise<unknown>,
): Promise<void> {
  const sessionManager = new Http2SessionManager(baseUrl);
  try {
    await work(createClient(PointsService, createGrpcTransport({ baseUrl, sessionManager })));
  } finally {
    sessionManager.abort();
  }
}

async function ready({ stdout }: RunningPoints): Promise<number> {
  const [, metrics] = /Metrics: (\S+)/.exec(stdout())!;
  const { status } = await fetch(new URL("/readyz", metrics));
  return status;
}
