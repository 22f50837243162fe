import type { Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import * as web from "@connectrpc/connect-web";
import { expect, onTestFinished, test } from "vitest";
import { createPointsClient } from "../../src/client/client.ts";
import { testDatabase } from "../support/database.ts";
import { holdLock } from "../support/held-lock.ts";
import { WAIT_MS } from "../support/patience.ts";
import { startPoints } from "../support/processes.ts";
import { points } from "../support/requests.ts";

const TRANSPORTS: readonly ((baseUrl: string) => Transport)[] = [
  (baseUrl) => createGrpcTransport({ baseUrl }),
  (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }),
  (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
  (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  (baseUrl) => web.createConnectTransport({ baseUrl }),
  (baseUrl) => web.createGrpcWebTransport({ baseUrl }),
];

test("calls of a killed server are answered by the next server, and applied once", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const first = await startPoints({ DATABASE_URL: database.url });
  const clients = TRANSPORTS.map((transportTo) =>
    createPointsClient(transportTo(first.baseUrl), { attemptsMax: 10_000, backoffMaxMs: 100 }),
  );
  await clients[0]!.recharge({ userId: "ada", points: 100n });

  const lock = await holdLock(database, "ada");
  const calls = clients.map((client) =>
    client.consume({ userId: "ada", cost: points(1n) }, { timeoutMs: WAIT_MS }),
  );
  const answers = Promise.all(calls);
  answers.catch(() => {});
  await lock.awaited();
  await first.end("SIGKILL");
  await lock.release();
  await startPoints({ DATABASE_URL: database.url, LISTEN: `127.0.0.1:${first.port}` });

  const ids = (await answers).map(({ entry }) => entry?.requestId);
  expect(new Set(ids).size).toBe(TRANSPORTS.length);
  const rows = await database.query("select from points.journal where kind = 'consume'");
  expect(rows).toHaveLength(TRANSPORTS.length);
});
