import { expect, onTestFinished, test } from "vitest";
import { Shortfall } from "../../gen/points/v1/points_pb.ts";
import { scanIfDue } from "../../src/projection/overview.ts";
import { clientWith, tokenOf, writeCallers } from "../support/callers.ts";
import { testDatabase } from "../support/database.ts";
import { refusalOf } from "../support/error-info.ts";
import { temporaryFolder, until } from "../support/processes.ts";
import { creditLine, microsOf, points, ttl } from "../support/requests.ts";
import { snapshotsAt } from "../support/scan-at.ts";
import { samplesOf, valueOf } from "../support/scrape.ts";
import { testServer } from "../support/server.ts";

const DAY_MS = 86_400_000;

test("GetOverview and the gauges are the sums of what GetAccount shows of each account", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const { client, metrics, stop } = await testServer({ PROJECT: "off" }, database);
  onTestFinished(stop);
  expect(await refusalOf(client.getOverview({}))).toMatchObject({
    code: "FailedPrecondition",
    reason: "NOT_PROJECTED",
    metadata: { missing: "overview" },
  });
  const none = samplesOf(await metrics());
  expect(valueOf(none, "points_outstanding")).toBeNaN();
  expect(valueOf(none, "points_expiring", { within: "7d" })).toBeNaN();
  expect(valueOf(none, "points_overview_age_seconds")).toBeNaN();

  const users = ["ada", "bea", "cleo", "dora", "eve"];
  const [ada, bea, cleo, dora, eve] = users as [string, string, string, string, string];
  await client.recharge({ userId: ada, points: 100n, expiration: ttl(3 * DAY_MS) });
  await client.recharge({ userId: ada, points: 50n, expiration: ttl(30 * DAY_MS) });
  await client.freeze({ userId: ada, cost: points(30n) });
  await client.recharge({ userId: bea, points: 150n });
  await client.recharge({ userId: cleo, points: 10n, expiration: ttl(500 * DAY_MS) });
  await client.putPolicy({ userId: dora, policy: creditLine(20n) });
  await client.consume({ userId: dora, cost: points(7n), onShortfall: Shortfall.OWE });
  // What nobody books before the scan: points that expire, and a hold of some of them that ends.
  await client.recharge({ userId: eve, points: 9n, expiration: ttl(300) });
  await client.recharge({ userId: eve, points: 40n });
  await client.freeze({ userId: eve, cost: points(4n), expiration: ttl(200) });
  await until("eve's points have expired", async () => {
    const { account } = await client.getAccount({ userId: eve });
    return account!.balance === 40n && account!.frozen === 0n;
  });
  const accounts = await Promise.all(
    users.map(async (userId) => (await client.getAccount({ userId })).account!),
  );
  await scanIfDue(
    { orm: database.orm, read: snapshotsAt(database.orm) },
    new AbortController().signal,
  );
  const found = await client.getOverview({});
  const sum = (of: "balance" | "frozen" | "debt") =>
    accounts.reduce((all, account) => all + account[of], 0n);
  expect(found).toMatchObject({
    accounts: 5n,
    balance: sum("balance"),
    frozen: sum("frozen"),
    debt: sum("debt"),
    expiringLater: 10n,
    neverExpiring: 190n,
  });
  const asOf = microsOf(found.asOf!);
  expect(microsOf(found.endTime!)).toBeGreaterThan(asOf);
  const weeks = found.expiring.map(({ startTime, points: some }) => {
    return [(microsOf(startTime!) - asOf) / BigInt(DAY_MS * 1000), some];
  });
  expect(weeks).toEqual([
    [0n, 70n],
    [28n, 50n],
  ]);
  expect(found.largest.map(({ userId, balance, frozen }) => [userId, balance, frozen])).toEqual([
    [bea, 150n, 0n],
    [ada, 120n, 30n],
    [eve, 40n, 0n],
    [cleo, 10n, 0n],
  ]);

  const samples = samplesOf(await metrics());
  const gauge = (name: string, labels = {}) => valueOf(samples, name, labels);
  expect(gauge("points_outstanding")).toBe(Number(sum("balance") + sum("frozen")));
  expect(gauge("points_frozen")).toBe(30);
  expect(gauge("points_debt")).toBe(7);
  expect(gauge("points_accounts")).toBe(5);
  expect(gauge("points_expiring", { within: "7d" })).toBe(70);
  expect(gauge("points_expiring", { within: "28d" })).toBe(70);
  expect(gauge("points_overview_age_seconds")).toBeGreaterThan(0);
});

test("GetOverview is there soon, and not for callers that are kept to a prefix", async () => {
  const scopes = ["points.audit"];
  const callers = { all: { scopes }, some: { scopes, prefix: "team-" } };
  const access = await writeCallers(await temporaryFolder(), callers);
  const server = await testServer({ ...access, PROJECT: "on" });
  onTestFinished(() => server.stop());
  const as = (name: string) => clientWith(server.baseUrl, tokenOf(name));
  expect(await refusalOf(as("some").getOverview({}))).toMatchObject({ code: "PermissionDenied" });
  // The server's first scan comes at once.
  const isThere = async () => (await as("all").getOverview({})).asOf !== undefined;
  await until("a scan has ended", () => isThere().catch(() => false));
});
