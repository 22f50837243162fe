import { getEventListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, createClient, createConnectRouter } from "@connectrpc/connect";
import {
  connectNodeAdapter,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.ts";
import { readConfig } from "../../src/config/environment.ts";
import { createHealth } from "../../src/server/health.ts";
import type { Handler } from "../../src/transport/handler.ts";
import { listenLimits } from "../../src/transport/listen-limits.ts";
import { listen, type Listener } from "../../src/transport/listen.ts";
import { refusalOf } from "../support/error-info.ts";
import { testServer } from "../support/server.ts";

const listeners: Listener[] = [];
afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.close(0);
});

async function serve() {
  const health = createHealth(["points.v1.Ledger"]);
  const handler = connectNodeAdapter({ routes: health.routes }) as Handler;
  const listener = await listen({
    address: { host: "127.0.0.1", port: 0 },
    handler,
    limits: listenLimits(readConfig({})),
  });
  listeners.push(listener);
  const baseUrl = `http://127.0.0.1:${listener.address.port}`;
  return { ...health, listener, client: createClient(Health, createGrpcTransport({ baseUrl })) };
}

const names = ["", "points.v1.Ledger", "grpc.health.v1.Health"];

test("Check tells the one state under each name, NOT_SERVING at first", async () => {
  const { client, setServing } = await serve();
  for (const service of names) {
    expect(await client.check({ service })).toMatchObject({ status: Status.NOT_SERVING });
  }
  setServing(true);
  for (const service of names) {
    expect(await client.check({ service })).toMatchObject({ status: Status.SERVING });
  }
});

test("Check of an unknown service fails with NOT_FOUND", async () => {
  const { client } = await serve();
  const asked = client.check({ service: "points.v1" });
  await expect(asked).rejects.toMatchObject({ code: Code.NotFound });
});

test("that error is no bug of the server, and has no reason of this API", async () => {
  const server = await testServer();
  onTestFinished(() => server.stop());
  const transports = [
    server.transport,
    createGrpcWebTransport({ baseUrl: server.baseUrl, httpVersion: "1.1" }),
  ];
  for (const transport of transports) {
    const asked = createClient(Health, transport).check({ service: "points.v1" });
    expect(await refusalOf(asked)).toMatchObject({
      code: "NotFound",
      reason: undefined,
      outcome: undefined,
      message: 'unknown service "points.v1"',
    });
  }
  expect(await server.metrics()).not.toMatch(/^points_refusals_total\{.* [1-9]/m);
});

test("a server that has started says SERVING at once", async () => {
  const server = await testServer();
  onTestFinished(() => server.stop());
  expect(await server.metrics()).toMatch(/^points_serving 1$/m);
});

test("List tells the state of every name", async () => {
  const { client, setServing } = await serve();
  setServing(true);
  const { statuses } = await client.list({});
  expect(Object.keys(statuses).toSorted()).toEqual([...names].toSorted());
  expect(Object.values(statuses).every(({ status }) => status === Status.SERVING)).toBe(true);
});

test("Watch tells the state at once, then each change, and ends on close", async () => {
  const { client, setServing, close } = await serve();
  const told: Status[] = [];
  for await (const { status } of client.watch({ service: "points.v1.Ledger" })) {
    told.push(status);
    if (told.length === 1) setServing(true);
    if (told.length === 2) {
      setServing(true); // No change.
      setServing(false);
      close();
    }
  }
  expect(told).toEqual([Status.NOT_SERVING, Status.SERVING, Status.NOT_SERVING]);
});

test("Watch of an unknown service tells so, and stays open until close", async () => {
  const { client, setServing, close } = await serve();
  const told: Status[] = [];
  const watching = (async () => {
    for await (const { status } of client.watch({ service: "points.v1" })) told.push(status);
  })();
  await expect.poll(() => told).toEqual([Status.SERVICE_UNKNOWN]);
  setServing(true);
  const early = await Promise.race([watching.then(() => "ended"), sleep(50, "open")]);
  expect(early).toBe("open");
  close();
  await watching;
  expect(told).toEqual([Status.SERVICE_UNKNOWN]);
});

test("Watch ends with its call's deadline or cancelling, and nothing is logged", async () => {
  const { client, listener } = await serve();
  const spoken = vi.spyOn(console, "error");
  // On a slow machine a deadline may pass before the first answer: then the next is later.
  for (let [answers, timeoutMs] = [0, 100]; answers === 0; timeoutMs *= 2) {
    const late = async () => {
      for await (const _ of client.watch({}, { timeoutMs })) answers += 1;
    };
    await expect(late()).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  }

  const cancel = new AbortController();
  const cancelled = client.watch({}, { signal: cancel.signal })[Symbol.asyncIterator]();
  await cancelled.next();
  cancel.abort();
  await expect(cancelled.next()).rejects.toMatchObject({ code: Code.Canceled });
  await listener.close(5_000);
  expect(spoken).not.toHaveBeenCalled();
});

// These tests call the implementation below the network: there a reader can be slow, and listeners
// can be counted.
function watchDirectly() {
  const health = createHealth([]);
  let watch: ((signal: AbortSignal) => AsyncIterator<unknown>) | undefined;
  const router = createConnectRouter();
  const service: typeof router.service = (_service, implementation) => {
    const { watch: found } = implementation as { watch: Watch };
    watch = (signal) => found({ service: "" }, { signal })[Symbol.asyncIterator]();
    return router;
  };
  health.routes({ ...router, service });
  return { ...health, watch: watch! };
}

type Watch = (req: { service: string }, ctx: { signal: AbortSignal }) => AsyncIterable<unknown>;

test("A slow reader of Watch gets the latest state, not every one", async () => {
  const { watch, setServing, close } = watchDirectly();
  const states = watch(new AbortController().signal);
  expect(await states.next()).toMatchObject({ value: { status: Status.NOT_SERVING } });
  for (const serving of [true, false, true, false, true]) setServing(serving);
  expect(await states.next()).toMatchObject({ value: { status: Status.SERVING } });
  setServing(false);
  setServing(true);
  close();
  expect(await states.next()).toMatchObject({ done: true });
});

test("Watch leaves no listener behind after many changes", async () => {
  const { watch, setServing } = watchDirectly();
  const cancel = new AbortController();
  const states = watch(cancel.signal);
  await states.next();
  for (const serving of [true, false, true, false]) {
    const next = states.next();
    expect(getEventListeners(cancel.signal, "abort")).toHaveLength(1);
    setServing(serving);
    await next;
    expect(getEventListeners(cancel.signal, "abort")).toHaveLength(0);
  }
  const last = states.next();
  cancel.abort(new Error("enough"));
  await expect(last).rejects.toThrow("enough");
  expect(getEventListeners(cancel.signal, "abort")).toHaveLength(0);
});
