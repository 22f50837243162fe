import { afterAll, beforeAll, expect, test } from "vitest";
import { refusalOf } from "../support/error-info.ts";
import { points } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

const validateOnly = true;

test("each mutation can be validated, and changes nothing then", async () => {
  const userId = "all";
  const { client } = server;
  await client.recharge({ userId, points: 50n });
  await client.consume({ userId, cost: points(10n) });
  await client.freeze({ userId, cost: points(10n) });
  const before = await client.getAccount({ userId });
  const answers = [
    await client.recharge({ userId, points: 1n, validateOnly }),
    await client.consume({ userId, cost: points(1n), validateOnly }),
    await client.expire({ userId, target: points(1n), validateOnly }),
    await client.freeze({ userId, cost: points(1n), validateOnly }),
    await client.extendHold({ userId, hold: 3n, more: points(1n), validateOnly }),
    await client.settle({ userId, hold: 3n, validateOnly }),
    await client.settle({ userId, hold: 3n, keepOpen: true, validateOnly }),
    await client.release({ userId, hold: 3n, validateOnly }),
    await client.refund({ userId, sequence: 2n, validateOnly }),
  ];
  for (const { entry, account } of answers) {
    expect(entry).toMatchObject({ sequence: 4n });
    expect(account).toMatchObject({ sequence: 4n, balance: entry!.balanceAfter });
  }
  expect(await client.getAccount({ userId })).toEqual(before);
});

test("what was validated is applied under the same request_id, and is answered once more", async () => {
  const userId = "then";
  const { client } = server;
  await client.recharge({ userId, points: 50n });
  const request = { userId, requestId: "job-1", cost: points(20n), actor: "ana" };
  const tried = await client.consume({ ...request, validateOnly });
  expect(tried).toMatchObject({ replayed: false, account: { balance: 30n } });
  const applied = await client.consume(request);
  expect(applied).toMatchObject({ replayed: false, account: { balance: 30n } });
  const again = await client.consume({ ...request, validateOnly });
  expect(again).toEqual({ ...applied, replayed: true });
  const other = client.consume({ ...request, cost: points(1n), validateOnly });
  expect(await refusalOf(other)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
});

test("a refusal is the same, and says that nothing was applied", async () => {
  const userId = "short";
  await server.client.recharge({ userId, points: 5n });
  const request = { userId, requestId: "job-1", cost: points(9n) };
  const [real, tried] = [
    await refusalOf(server.client.consume(request)),
    await refusalOf(server.client.consume({ ...request, validateOnly })),
  ];
  expect(tried).toEqual(real);
  expect(tried).toMatchObject({ reason: "INSUFFICIENT_POINTS", outcome: "NOT_APPLIED" });
  const nobody = { userId: "nobody", requestId: "order-1", points: 5n };
  await server.client.recharge({ ...nobody, validateOnly });
  const found = await refusalOf(server.client.getAccount({ userId: "nobody" }));
  expect(found).toMatchObject({ reason: "ACCOUNT_NOT_FOUND" });
});

test("operations of a batch can be validated among others", async () => {
  const userId = "batch";
  const consume = (value: bigint, only: boolean) =>
    ({
      operation: { case: "consume", value: { userId, cost: points(value), validateOnly: only } },
    }) as const;
  await server.client.recharge({ userId, points: 10n });
  const operations = [consume(10n, true), consume(4n, false), consume(6n, true)];
  const { results } = await server.client.applyBatch({ operations });
  expect(results.map(({ result }) => result.value)).toMatchObject([
    { account: { balance: 0n } },
    { account: { balance: 6n } },
    { account: { balance: 0n } },
  ]);
  const { account } = await server.client.getAccount({ userId });
  expect(account).toMatchObject({ balance: 6n, sequence: 2n });
});
