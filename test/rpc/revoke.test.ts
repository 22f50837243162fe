import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { Shortfall } from "../../gen/points/v1/points_pb.ts";
import { auditDatabase } from "../support/audit.ts";
import { expectEquations } from "../support/equations.ts";
import { refusalOf } from "../support/error-info.ts";
import { makeDue } from "../support/priced-server.ts";
import { points, ttl } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";

const { TAKE, OWE } = Shortfall;

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(async () => {
  await expectEquations(server.database);
  await auditDatabase(server.database.url);
  await server.stop();
});

const lot = (number: bigint) => ({ case: "lot", value: number }) as const;
const bySequence = (value: bigint) => ({ case: "sequence", value }) as const;

test("a chargeback takes what its recharge still has, and claims the rest", async () => {
  const { client } = server;
  const userId = "chargeback";
  await client.recharge({ userId, points: 100n, category: "paid" });
  await client.consume({ userId, cost: points(40n), requestId: "job" });
  const request = { userId, target: lot(1n), onShortfall: TAKE, requestId: "dispute" };
  const revoked = await client.revoke(request);
  expect(revoked).toMatchObject({
    entry: { kind: EntryKind.REVOKE, points: 60n, uncovered: 40n, refersTo: 1n, fromClaim: false },
    account: { balance: 0n, totalRevoked: 60n, totalExpired: 0n },
  });
  expect(await client.revoke(request)).toEqual({ ...revoked, replayed: true });
  expect((await client.listLots({ userId })).lots).toMatchObject([
    { number: 1n, remaining: 0n, category: "paid", revoked: 100n, claimed: 40n },
  ]);

  await client.refund({ userId, sequence: 2n, points: 15n });
  const { entries } = await client.listEntries({ userId, kinds: [EntryKind.REVOKE] });
  expect(entries).toMatchObject([
    { points: 15n, refersTo: 1n, fromClaim: true, requestId: "" },
    { points: 60n },
  ]);
  expect(await client.getEntry({ userId, by: bySequence(1n) })).toMatchObject({
    revoked: 100n,
    claimed: 25n,
    referringEntries: [5n, 3n],
  });

  const won = await client.refund({ userId, sequence: 3n });
  expect(won).toMatchObject({
    entry: { points: 75n, uncovered: 25n, allocations: [{ lot: 1n, points: 75n }] },
    account: { balance: 75n, totalRevoked: 75n, totalRefunded: 90n },
  });
  expect(await client.getEntry({ userId, by: bySequence(3n) })).toMatchObject({ refunded: 100n });
  expect((await client.listLots({ userId })).lots).toMatchObject([{ remaining: 75n, claimed: 0n }]);
});

test("a lot is claimed in the row, in the table and when it is nowhere any more", async () => {
  const { client } = server;
  const userId = "places";
  for (let made = 0; made < 40; made += 1) {
    await client.recharge({ userId, points: 2n, priority: 40 - made });
  }
  // Lots burn from the last: 40 to 21 are spent, 20 to 16 frozen.
  const spent = await client.consume({ userId, cost: points(40n) });
  const { hold } = await client.freeze({ userId, cost: points(10n) });
  const first = [1n, 17n, 30n];
  for (const number of first)
    await client.revoke({ userId, target: lot(number), onShortfall: TAKE });
  expect((await client.getAccount({ userId })).account).toMatchObject({
    balance: 28n,
    frozen: 10n,
    totalRevoked: 2n,
  });
  await client.release({ userId, hold: hold!.number });
  await client.refund({ userId, sequence: spent.entry!.sequence });
  expect((await client.getAccount({ userId })).account).toMatchObject({
    balance: 74n,
    totalRevoked: 6n,
  });
  const { lots } = await client.listLots({ userId, pageSize: 100 });
  expect(lots.map(({ number }) => number)).not.toEqual(expect.arrayContaining(first));
  expect(lots.every(({ remaining, claimed }) => remaining === 2n && claimed === 0n)).toBe(true);
});

test("a revocation may owe more than any credit line", async () => {
  const { client } = server;
  const userId = "fraud";
  await client.recharge({ userId, points: 1_000_000n });
  await client.consume({ userId, cost: points(1_000_000n) });
  expect(await client.revoke({ userId, target: lot(1n), onShortfall: OWE })).toMatchObject({
    entry: { points: 1_000_000n, owed: 1_000_000n, debtAfter: 1_000_000n },
    account: { balance: 0n, debt: 1_000_000n, totalRevoked: 1_000_000n },
  });
  expect(await client.recharge({ userId, points: 400_000n })).toMatchObject({
    account: { balance: 0n, debt: 600_000n },
  });
});

test("reads count what claims take of holds that are due", async () => {
  const own = await testServer();
  onTestFinished(() => own.stop());
  const { client, database } = own;
  const userId = "due";
  await client.recharge({ userId, points: 100n });
  const { hold } = await client.freeze({ userId, cost: points(40n), expiration: ttl(60_000) });
  await client.revoke({ userId, target: lot(1n), onShortfall: TAKE });
  await makeDue(database, "hold", userId, hold!.number);
  const expected = { balance: 0n, frozen: 0n, totalRevoked: 100n };
  expect((await client.getAccount({ userId })).account).toMatchObject(expected);
  expect((await client.getOrCreate({ userId })).account).toMatchObject(expected);
});

test("reads repay debt from the lots of a hold that is due in its order", async () => {
  const own = await testServer();
  onTestFinished(() => own.stop());
  const { client, database } = own;
  const userId = "order";
  await client.recharge({ userId, points: 1n });
  await client.recharge({ userId, points: 1n, expiration: ttl(60_000) });
  const { hold } = await client.freeze({ userId, cost: points(2n), expiration: ttl(30_000) });
  await client.revoke({ userId, target: points(1n), onShortfall: OWE });
  // The lot that expires comes first in the hold: it repays the debt, and the other comes back for ever.
  await makeDue(database, "hold", userId, hold!.number);
  await makeDue(database, "lot", userId, 2n);
  const expected = { balance: 1n, debt: 0n, totalExpired: 0n };
  expect((await client.getAccount({ userId })).account).toMatchObject(expected);
  expect((await client.getOrCreate({ userId })).account).toMatchObject(expected);
});

test("a trial says what a revocation would do, and does nothing", async () => {
  const { client } = server;
  const userId = "trial";
  await client.recharge({ userId, points: 10n });
  const target = lot(1n);
  expect(await client.revoke({ userId, target, validateOnly: true })).toMatchObject({
    account: { balance: 0n, totalRevoked: 10n },
  });
  expect((await client.getAccount({ userId })).account).toMatchObject({
    balance: 10n,
    sequence: 1n,
  });
});

test("a batch revokes, too, and each operation sees those before it", async () => {
  const { client } = server;
  const userId = "batch";
  const { results } = await client.applyBatch({
    operations: [
      { operation: { case: "recharge", value: { userId, points: 10n } } },
      { operation: { case: "freeze", value: { userId, cost: points(4n) } } },
      { operation: { case: "revoke", value: { userId, target: lot(1n), onShortfall: TAKE } } },
      { operation: { case: "release", value: { userId, hold: 2n } } },
      { operation: { case: "revoke", value: { userId, target: lot(1n) } } },
    ],
  });
  expect(results.map(({ result }) => result.case)).toEqual([
    "recharge",
    "freeze",
    "revoke",
    "release",
    "error",
  ]);
  expect((await client.getAccount({ userId })).account).toMatchObject({
    balance: 0n,
    frozen: 0n,
    totalRevoked: 10n,
    sequence: 5n,
  });
});

describe("refuses", () => {
  const userId = "refused";
  beforeAll(() => server.client.recharge({ userId, points: 10n }));

  test.each([
    ["no target", {}, "target"],
    ["no points", { target: points(0n) }, "points"],
    ["too many points", { target: points(10n ** 12n + 1n) }, "points"],
    ["lot 0", { target: lot(0n) }, "lot"],
    ["no points of a lot", { target: lot(1n), lotPoints: 0n }, "lot_points"],
    ["points of a lot without the lot", { target: points(1n), lotPoints: 1n }, "lot_points"],
    ["an unknown on_shortfall", { target: lot(1n), onShortfall: 9 as Shortfall }, "on_shortfall"],
  ])("%s", async (_, request, field) => {
    expect(await refusalOf(server.client.revoke({ userId, ...request }))).toMatchObject({
      code: "InvalidArgument",
      reason: "FIELD_INVALID",
      fields: [field],
    });
  });

  test.each([
    ["a lot that there is not", { target: lot(2n) }, "LOT_NOT_FOUND", { lot: "2" }],
    [
      "more of a lot than it was",
      { target: lot(1n), lotPoints: 11n, onShortfall: OWE },
      "REVOKE_EXCEEDS_LOT",
      { lot: "1", revocable: "10", required: "11" },
    ],
    [
      "more points than there are",
      { target: points(11n) },
      "INSUFFICIENT_POINTS",
      { balance: "10", usable: "10", required: "11", shortfall: "1" },
    ],
  ])("%s", async (_, request, reason, metadata) => {
    const before = await server.client.getAccount({ userId });
    expect(await refusalOf(server.client.revoke({ userId, ...request }))).toMatchObject({
      reason,
      outcome: "NOT_APPLIED",
      metadata,
    });
    expect(await server.client.getAccount({ userId })).toEqual(before);
  });
});
