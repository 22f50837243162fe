import { afterAll, beforeAll, expect, test } from "vitest";
import { createPointsClient } from "../../src/client/client.ts";
import { openOrm } from "../../src/store/driver/orm.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { points } from "../support/requests.ts";
import { testServer } from "../support/server.ts";

// Each answer of a mutation says which life of the database gave it.

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

test("every answer has the epoch of now, a repeat too, one by one and in batches", async () => {
  const first = await everyAnswer();
  expect(first.map(({ epoch }) => epoch)).toEqual(first.map(() => 1n));
  expect(first.filter(({ replayed }) => replayed === true)).toHaveLength(0);

  await database.query(`insert into points.epoch
    select epoch + 1, system_identifier, timeline, now() from points.epoch`);
  const again = await everyAnswer();
  expect(again).toEqual(
    first.map(({ replayed, ...rest }) => ({
      ...rest,
      ...(replayed === undefined ? {} : { replayed: true }),
      epoch: 2n,
    })),
  );
});

/** What a server that has just started answers to each mutation, but for what it made. */
async function everyAnswer() {
  const orm = await openOrm(database.url, 8);
  const server = await testServer({}, { ...database, orm, close: () => orm.close() });
  const { client, transport } = server;
  const of = (requestId: string) => ({ userId: "ada", requestId });
  const answers = [
    await client.getOrCreate({ userId: "ada" }),
    await client.recharge({ ...of("r1"), points: 100n }),
    await client.consume({ ...of("r2"), cost: points(9n) }),
    await client.freeze({ ...of("r3"), cost: points(9n) }),
    await client.settle({ ...of("r4"), hold: 3n, cost: points(4n) }),
    await client.freeze({ ...of("r5"), cost: points(9n) }),
    await client.release({ ...of("r6"), hold: 5n }),
    await client.refund({ ...of("r7"), sequence: 2n }),
    await client.expire({ ...of("r8"), target: points(1n) }),
  ];
  const consume = (requestId: string) => ({
    operation: { case: "consume", value: { ...of(requestId), cost: points(1n) } } as const,
  });
  const { results } = await client.applyBatch({ operations: [consume("r9")] });
  const streamed = client.apply(oneOf({ operation: consume("r10") }));
  for await (const { result } of streamed) results.push(result!);
  const batching = createPointsClient(transport, { batch: true });
  const batched = await batching.consume({ ...of("r11"), cost: points(1n) });
  await server.stop();
  const applied = results.map(({ result }) => result.value);
  return [...answers, ...applied, batched].map((answer) => {
    const { epoch, replayed } = answer as { epoch: bigint; replayed?: boolean };
    return { of: answer!.$typeName, epoch, replayed };
  });
}

async function* oneOf<T>(request: T): AsyncGenerator<T> {
  yield Promise.resolve(request);
}
