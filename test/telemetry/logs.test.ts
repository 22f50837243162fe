import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { readConfig } from "../../src/config/environment.ts";
import { readPrices, SHIPPED_PRICES } from "../../src/rpc/price-file.ts";
import { startServer } from "../../src/server/start.ts";
import { openOrm } from "../../src/store/driver/orm.ts";
import { clientWith, tokenOf, writeCallers } from "../support/callers.ts";
import { testDatabase } from "../support/database.ts";
import { makeLotsEditable } from "../support/editable-lots.ts";
import { PATIENCE } from "../support/patience.ts";
import { temporaryFolder } from "../support/processes.ts";
import { samplesOf, valueOf } from "../support/scrape.ts";

const SERVICE = PointsService.typeName;
const USER = "somebody-whose-name-is-nowhere";

test("at level debug each call logs a line: caller, method, request id, code and time", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const callers = { shop: { scopes: ["points.spend", "points.grant"] } };
  const environment = await writeCallers(await temporaryFolder(), callers);
  const { baseUrl, lines, metrics } = await start(database.url, "debug", environment);
  const client = clientWith(baseUrl, tokenOf("shop"));
  await client.recharge({ userId: USER, points: 10n, requestId: "order-1" });
  const cost = { case: "points" as const, value: 11n };
  await expect(client.consume({ userId: USER, cost })).rejects.toThrow("11 points");

  const calls = lines().filter(({ msg }) => msg === "a call");
  expect(calls).toMatchObject([
    { level: 20, method: `${SERVICE}/Recharge`, code: "OK", requestId: "order-1", caller: "shop" },
    { level: 20, method: `${SERVICE}/Consume`, code: "FAILED_PRECONDITION", caller: "shop" },
  ]);
  for (const { ms } of calls) expect(ms).toBeGreaterThan(0);
  expect(JSON.stringify(lines())).not.toContain(USER);

  await expect(clientWith(baseUrl, "wrong").consume({ userId: USER, cost })).rejects.toThrow();
  const refusals = valueOf(samplesOf(await metrics()), "points_refusals_total", {
    reason: "UNAUTHENTICATED",
  });
  expect(refusals).toBe(1);
});

test("a batch that fails logs one line, whatever its number of operations", async () => {
  const { baseUrl, lines, metrics } = await start("postgresql://points@%2Fnowhere/points", "info");
  const client = clientWith(baseUrl, undefined);
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

test("a batch that meets a bug logs it, even if its halves succeed", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const { baseUrl, lines } = await start(database.url, "warn", { LANES: "1" });
  const client = clientWith(baseUrl, undefined);
  const recharge = (userId: string) => ({ userId, points: 1n });
  await client.recharge(recharge("broken"));
  await makeLotsEditable(database);
  await database.query("update edit.lot set remaining = 0 where user_id = 'broken'");
  const operations = ["whole", "broken"].map((userId) => ({
    operation: { case: "recharge" as const, value: recharge(userId) },
  }));
  const { results } = await client.applyBatch({ operations });
  expect(results.map(({ result }) => result.case)).toEqual(["recharge", "error"]);

  const said = lines()
    .map(({ level, fault, msg }) => ({ level, fault, msg }))
    // The tests' own PostgreSQL is not durable.
    .filter(({ msg }) => !String(msg).startsWith("answers may be lost"));
  expect(said).toEqual([
    { level: 40, fault: "bug", msg: "a batch is tried again" },
    { level: 50, fault: undefined, msg: "a call failed" },
  ]);
});

async function start(databaseUrl: string, level: string, environment = {}) {
  const written: string[] = [];
  const log = pino({ level }, { write: (line: string) => void written.push(line) });
  const orm = await openOrm(databaseUrl, 4);
  const prices = readPrices(SHIPPED_PRICES);
  const config = readConfig({ LISTEN: "127.0.0.1:0", ...PATIENCE, ...environment });
  const server = await startServer({
    config,
    databases: { batches: orm, reads: orm, streams: orm, sums: orm },
    prices: () => prices,
    firstPolicies: () => [],
    log,
  });
  onTestFinished(async () => {
    await server.stop();
    await orm.close();
  });
  return {
    baseUrl: `http://127.0.0.1:${server.address.port}`,
    lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>),
    metrics: () => server.metrics.registry.metrics(),
  };
}
