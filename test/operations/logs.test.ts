import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { readConfig } from "../../src/config.ts";
import { readPrices, SHIPPED_PRICES } from "../../src/prices.ts";
import { startServer } from "../../src/server/server.ts";
import { openOrm } from "../../src/store/orm.ts";
import { testDatabase } from "../support/database.ts";
import { samplesOf, valueOf } from "../support/scrape.ts";

const USER = "somebody-whose-name-is-nowhere";

test("at debug there is a line a call, with what it was and how it went", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const { client, lines } = await start(database.url, "debug");
  await client.recharge({ userId: USER, points: 10n, requestId: "order-1" });
  const cost = { case: "points" as const, value: 11n };
  await expect(client.consume({ userId: USER, cost })).rejects.toThrow("11 points");

  const calls = lines().filter(({ msg }) => msg === "a call");
  expect(calls).toMatchObject([
    { level: 20, method: "points.v1.PointsService/Recharge", code: "OK", requestId: "order-1" },
    { level: 20, method: "points.v1.PointsService/Consume", code: "FAILED_PRECONDITION" },
  ]);
  for (const { ms } of calls) expect(ms).toBeGreaterThan(0);
  expect(JSON.stringify(lines())).not.toContain(USER);
});

test("a batch that fails is one line, however many operations are in it", async () => {
  const { client, lines, metrics } = await start("postgresql://points@%2Fnowhere/points", "info");
  const calls = Array.from({ length: 40 }, (_, n) =>
    client.recharge({ userId: `user-${n}`, points: 1n }),
  );
  const results = await Promise.allSettled(calls);
  expect(results.every(({ status }) => status === "rejected")).toBe(true);

  const failures = valueOf(samplesOf(await metrics()), "points_batch_failures_total")!;
  const said = lines().filter(({ level }) => Number(level) >= 40);
  const batches = said.filter(({ msg }) => msg === "a batch failed: the database is away");
  expect(batches).toHaveLength(failures);
  expect(batches.reduce((sum, { operations }) => sum + Number(operations), 0)).toBe(40);
  expect(failures).toBeLessThan(40);
  expect(said.filter(({ msg }) => msg === "a call failed")).toEqual([]);
});

async function start(databaseUrl: string, level: string) {
  const written: string[] = [];
  const log = pino({ level }, { write: (line: string) => void written.push(line) });
  const orm = await openOrm(databaseUrl, 4);
  const prices = readPrices(SHIPPED_PRICES);
  const config = readConfig({ LISTEN: "127.0.0.1:0" });
  const server = await startServer(config, { batches: orm, reads: orm }, () => prices, log);
  onTestFinished(async () => {
    await server.stop();
    await orm.close();
  });
  const baseUrl = `http://127.0.0.1:${server.address.port}`;
  return {
    client: createClient(PointsService, createGrpcTransport({ baseUrl })),
    lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>),
    metrics: () => server.metrics.registry.metrics(),
  };
}
