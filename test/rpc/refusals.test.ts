import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusalOf, type Refusal } from "../support/error-info.ts";
import { points } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { refusedUnchanged } from "../support/unchanged.ts";

const TRILLION = 1_000_000_000_000n;
const INT64_MAX = 2n ** 63n - 1n;

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
  await server.client.recharge({ userId: "ada", requestId: "used", points: 100n });
});
afterAll(() => server.stop());

describe("a refusal of the ledger changes nothing and says why", () => {
  const cost = { case: "points", value: 5n } as const;
  const nobody: Partial<Refusal> = {
    code: "NotFound",
    reason: "ACCOUNT_NOT_FOUND",
    metadata: { user_id: "nobody" },
  };

  test.each<[string, () => Promise<unknown>, Partial<Refusal>]>([
    ["a Consume of nobody", () => server.client.consume({ userId: "nobody", cost }), nobody],
    [
      "an Expire of nobody's points",
      () => server.client.expire({ userId: "nobody", target: cost }),
      nobody,
    ],
    [
      "an Expire of what nobody has due",
      () => server.client.expire({ userId: "nobody", target: { case: "due", value: true } }),
      nobody,
    ],
    [
      "an Expire of a lot that there is not",
      () => server.client.expire({ userId: "ada", target: { case: "lot", value: 77n } }),
      { code: "NotFound", reason: "LOT_NOT_FOUND", metadata: { lot: "77" } },
    ],
    [
      "an Expire of the largest lot that could be",
      () => server.client.expire({ userId: "ada", target: { case: "lot", value: INT64_MAX } }),
      { code: "NotFound", reason: "LOT_NOT_FOUND", metadata: { lot: String(INT64_MAX) } },
    ],
    [
      "a Consume of more than there is",
      () => server.client.consume({ userId: "ada", cost: { case: "points", value: TRILLION } }),
      { code: "FailedPrecondition", reason: "INSUFFICIENT_POINTS" },
    ],
    [
      "an Expire of more than there is",
      () => server.client.expire({ userId: "ada", target: { case: "points", value: TRILLION } }),
      { code: "FailedPrecondition", reason: "INSUFFICIENT_POINTS" },
    ],
    [
      "a request id used again for more points",
      () => server.client.recharge({ userId: "ada", requestId: "used", points: 101n }),
      {
        code: "AlreadyExists",
        reason: "REQUEST_ID_REUSED",
        metadata: { request_id: "used", sequence: "1" },
      },
    ],
    [
      "a request id used again with a priority",
      () => server.client.recharge({ userId: "ada", requestId: "used", points: 100n, priority: 1 }),
      { code: "AlreadyExists", reason: "REQUEST_ID_REUSED" },
    ],
    [
      "a request id used again with metadata",
      () =>
        server.client.recharge({
          userId: "ada",
          requestId: "used",
          points: 100n,
          metadata: { k: "" },
        }),
      { code: "AlreadyExists", reason: "REQUEST_ID_REUSED" },
    ],
    [
      "a request id used again for another method",
      () =>
        server.client.consume({
          userId: "ada",
          requestId: "used",
          cost: { case: "points", value: 100n },
        }),
      { code: "AlreadyExists", reason: "REQUEST_ID_REUSED" },
    ],
    [
      "a request id used again for a third method",
      () =>
        server.client.expire({
          userId: "ada",
          requestId: "used",
          target: { case: "points", value: 100n },
        }),
      { code: "AlreadyExists", reason: "REQUEST_ID_REUSED" },
    ],
  ])("%s", async (_, call, expected) => {
    const refusal = await refusedUnchanged(server, () => refusalOf(call()));
    expect(refusal).toMatchObject({ ...expected, domain: "points.v1", outcome: "NOT_APPLIED" });
  });

  test("Consume and Expire are two methods for the same points and the same id", async () => {
    const request = { userId: "ada", requestId: "two-methods" };
    await server.client.consume({ ...request, cost: { case: "points", value: 1n } });
    const refusal = await refusedUnchanged(server, () =>
      refusalOf(server.client.expire({ ...request, target: { case: "points", value: 1n } })),
    );
    expect(refusal).toMatchObject({ code: "AlreadyExists", reason: "REQUEST_ID_REUSED" });
  });

  test("a total past 2^53 - 1 is OUT_OF_RANGE", async () => {
    const userId = "rich";
    // Spent again, but for the last: an account has a bounded number of open lots.
    const recharge = { case: "recharge", value: { userId, points: TRILLION } } as const;
    const consume = { case: "consume", value: { userId, cost: points(TRILLION) } } as const;
    const operations = Array.from({ length: 9006 }, () => [
      { operation: recharge },
      { operation: consume },
    ]).flat();
    for (let at = 0; at < operations.length; at += 1_000) {
      await server.client.applyBatch({ operations: operations.slice(at, at + 1_000) });
    }
    await server.client.recharge({ userId, points: TRILLION });
    const rest = 9_007_199_254_740_991n - 9007n * TRILLION;
    const refusal = await refusedUnchanged(server, () =>
      refusalOf(server.client.recharge({ userId, points: rest + 1n })),
    );
    expect(refusal).toMatchObject({
      code: "OutOfRange",
      reason: "TOTAL_TOO_LARGE",
      metadata: { total: "total_recharged", limit: "9007199254740991" },
      outcome: "NOT_APPLIED",
    });
    const { account } = await server.client.recharge({ userId, points: rest });
    expect(account).toMatchObject({
      balance: TRILLION + rest,
      totalRecharged: 9_007_199_254_740_991n,
    });
  });
});
