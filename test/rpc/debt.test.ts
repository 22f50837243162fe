import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { Shortfall } from "../../gen/points/v1/points_pb.ts";
import { refusalOf } from "../support/error-info.ts";
import { expectEquations } from "../support/equations.ts";
import { makeDue } from "../support/priced-server.ts";
import { creditLine, points, ttl } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { auditDatabase } from "../support/audit.ts";

const { TAKE, OWE } = Shortfall;
const LINE = creditLine(100n);

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(async () => {
  await expectEquations(server.database);
  await auditDatabase(server.database.url);
  await server.stop();
});

test("a charge that nobody can pay becomes debt, and the next recharge repays it", async () => {
  const { client } = server;
  const userId = "owes";
  await client.putPolicy({ userId, policy: LINE });
  await client.recharge({ userId, points: 30n });
  const request = { userId, cost: points(120n), onShortfall: OWE, requestId: "job" };
  const owed = await client.consume(request);
  expect(owed).toMatchObject({
    entry: { points: 120n, owed: 90n, uncovered: 0n, balanceAfter: 0n, debtAfter: 90n },
    account: { balance: 0n, totalConsumed: 120n, debt: 90n },
  });
  expect(await client.consume(request)).toEqual({ ...owed, replayed: true });
  const more = client.consume({ userId, cost: points(11n), onShortfall: OWE });
  expect(await refusalOf(more)).toMatchObject({
    reason: "INSUFFICIENT_POINTS",
    metadata: { balance: "0", usable: "0", required: "11", shortfall: "1" },
  });
  expect(await client.recharge({ userId, points: 100n })).toMatchObject({
    entry: { points: 100n, repaid: 90n, allocations: [{ points: 10n }], debtAfter: 0n },
    account: { balance: 10n, totalRecharged: 130n, debt: 0n },
  });
});

test("a job that cost more than was frozen is settled whole", async () => {
  const { client } = server;
  const userId = "job";
  await client.putPolicy({ userId, policy: LINE });
  const { entry } = await client.recharge({ userId, points: 100n });
  const { hold } = await client.freeze({ userId, cost: points(80n) });
  const settled = await client.settle({
    userId,
    hold: hold!.number,
    cost: points(130n),
    onShortfall: OWE,
  });
  expect(settled).toMatchObject({
    entry: { points: 130n, fromBalance: 20n, owed: 30n, uncovered: 0n, returned: 0n },
    account: { balance: 0n, frozen: 0n, totalConsumed: 130n, debt: 30n },
  });
  const { holds } = await client.listHolds({ userId });
  expect(holds).toMatchObject([{ points: 80n, settled: 80n }]);
  expect(await client.refund({ userId, sequence: settled.entry!.sequence })).toMatchObject({
    entry: { points: 130n, repaid: 30n, allocations: [{ lot: entry!.sequence, points: 100n }] },
    account: { balance: 100n, debt: 0n },
  });
});

test("a call that takes what there is takes it from all lots, in the row or beyond it", async () => {
  const { client } = server;
  const userId = "many";
  for (let made = 0; made < 40; made += 1) await client.recharge({ userId, points: 2n });
  const all = { userId, cost: points(1_000n), onShortfall: TAKE };
  expect(await client.consume(all)).toMatchObject({
    entry: { points: 80n, uncovered: 920n },
    account: { balance: 0n, debt: 0n },
  });
});

test("reads count what due holds repay at their instants, before their lots expire", async () => {
  const own = await testServer();
  onTestFinished(() => own.stop());
  const { client, database } = own;
  const userId = "due";
  await client.recharge({ userId, points: 10n, expiration: ttl(60_000) });
  await client.recharge({ userId, points: 5n });
  await client.freeze({ userId, cost: points(10n), expiration: ttl(30_000) });
  await client.freeze({ userId, cost: points(5n), expiration: ttl(90_000) });
  await client.putPolicy({ userId, policy: LINE });
  await client.consume({ userId, cost: points(20n), onShortfall: OWE });
  await makeDue(database, "hold", userId, 3n);
  await makeDue(database, "lot", userId, 1n);
  await makeDue(database, "hold", userId, 4n);
  const expected = { balance: 0n, frozen: 0n, totalExpired: 0n, debt: 5n };
  for await (const { account } of client.watchAccount({ userId })) {
    expect(account).toMatchObject(expected);
    break;
  }
  expect((await client.getOrCreate({ userId })).account).toMatchObject(expected);
});

test("a debt that a refund ends leaves none behind", async () => {
  const { client } = server;
  const userId = "ended";
  await client.putPolicy({ userId, policy: LINE });
  const { entry } = await client.consume({ userId, cost: points(20n), onShortfall: OWE });
  await client.refund({ userId, sequence: entry!.sequence });
  expect((await client.getOrCreate({ userId })).account).toMatchObject({ balance: 0n, debt: 0n });
});
