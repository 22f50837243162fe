import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestDatabase } from "../support/database.ts";
import { refusalOf } from "../support/error-info.ts";
import { points } from "../support/requests.ts";
import { serveApp, type ServedApp } from "../support/served-app.ts";
import { testServer } from "../support/server.ts";
import { databaseOf, OUT } from "../support/withdrawal.ts";

// A reader that is far behind takes the entries that there are, slowly: more than all buffers hold.

const ENTRIES = 2_000;
const LONG_NOTES = Object.fromEntries(
  Array.from({ length: 16 }, (_, n) => [`note-${n}`, "x".repeat(250)]),
);

let database: TestDatabase;
beforeAll(async () => {
  database = await databaseOf("ada");
  const server = await testServer({}, database);
  const consume = () =>
    server.client.consume({ userId: "ada", cost: points(1n), metadata: LONG_NOTES });
  await server.client.recharge({ userId: "ada", points: 10_000n });
  for (let at = 0; at < ENTRIES; at += 100) {
    await Promise.all(Array.from({ length: 100 }, consume));
  }
  await server.stop();
});
afterAll(() => database.close());

test("is out when its caller is withdrawn", async () => {
  const { client, become } = await serveApp(database);
  const reader = slowReader(client);
  await reader.begin();
  await become({});
  expect(await refusalOf(reader.toEnd())).toMatchObject(OUT);
  expect(reader.taken()).toBeLessThan(ENTRIES);
});

test("does not keep its server from stopping", async () => {
  const { client, server } = await serveApp(database);
  const reader = slowReader(client);
  await reader.begin();
  const stopped = server.stop();
  expect(await refusalOf(reader.toEnd())).toMatchObject({ reason: "SHUTTING_DOWN" });
  await stopped;
  expect(reader.taken()).toBeLessThan(ENTRIES);
});

function slowReader(client: ServedApp["client"]) {
  const call = client.streamEntries({ cursor: "0", maxEntries: 10 });
  const messages = call[Symbol.asyncIterator]();
  let taken = 0;
  const take = async () => {
    const { done, value } = await messages.next();
    taken += value?.entries.length ?? 0;
    await sleep(5);
    return done !== true;
  };
  return {
    async begin() {
      while (taken < 10) await take();
    },
    async toEnd() {
      while (await take());
    },
    taken: () => taken,
  };
}
