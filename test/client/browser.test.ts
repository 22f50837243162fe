import { spawnSync } from "node:child_process";
import { Code } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPointsClient, refusalOf } from "../../src/client/client.ts";
import { startPoints } from "../support/processes.ts";
import { points } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";

// The client in a browser: fetch, and no API of Node's.

let server: TestServer;

beforeAll(async () => {
  server = await testServer();
});
afterAll(async () => {
  await server.stop();
});

describe.for([
  { protocol: "Connect", createTransport: createConnectTransport },
  { protocol: "gRPC-Web", createTransport: createGrpcWebTransport },
])("through fetch, in $protocol", ({ protocol, createTransport }) => {
  test("calls are answered, refusals are read, and a stream is followed", async () => {
    const client = createPointsClient(createTransport({ baseUrl: server.baseUrl }));
    const userId = protocol;
    const { entry } = await client.recharge({ userId, points: 900_719_925_474n });
    expect(entry?.requestId).not.toBe("");

    const refusal = await client
      .consume({ userId, cost: points(1_000_000_000_000n) })
      .then(() => undefined, refusalOf);
    expect(refusal).toMatchObject({
      reason: "INSUFFICIENT_POINTS",
      balance: 900_719_925_474n,
      shortfall: 99_280_074_526n,
    });

    const balances: (bigint | undefined)[] = [];
    for await (const { account } of client.watchAccount({ userId })) {
      balances.push(account?.balance);
      if (balances.length === 2) break;
      await client.consume({ userId, cost: points(40n) });
    }
    expect(balances).toEqual([900_719_925_474n, 900_719_925_434n]);
  });

  test("a server that cannot be reached is tried again", async () => {
    const gone = await testServer({}, server.database);
    await gone.stop();
    let asked = 0;
    const transport = createTransport({
      baseUrl: gone.baseUrl,
      fetch: (...args) => {
        asked++;
        return fetch(...args);
      },
    });
    const client = createPointsClient(transport, { backoffMs: 1, attemptsMax: 3 });
    await expect(client.getOrCreate({ userId: "ada" })).rejects.toThrow();
    expect(asked).toBe(3);
  });

  test("calls share a batch, and keep their answers and refusals", async () => {
    const transport = createTransport({ baseUrl: server.baseUrl });
    const client = createPointsClient(transport, { batch: true });
    const userId = `${protocol}-batch`;
    const refused = (call: Promise<unknown>) => call.then(() => undefined, refusalOf);
    const [made, spent, refusal] = await Promise.all([
      client.recharge({ userId, points: 100n }),
      client.consume({ userId, cost: points(30n) }),
      refused(client.consume({ userId, cost: points(71n) })),
    ]);
    expect([made, spent].map(({ account }) => account?.balance)).toEqual([100n, 70n]);
    expect(refusal).toMatchObject({ reason: "INSUFFICIENT_POINTS", shortfall: 1n });
  });

  test("a deadline ends a stream", async () => {
    const client = createPointsClient(createTransport({ baseUrl: server.baseUrl }));
    await client.getOrCreate({ userId: "dan" });
    // On a slow machine a deadline may pass before the first answer: then the next is later.
    for (let [answers, timeoutMs] = [0, 300]; answers === 0; timeoutMs *= 2) {
      const watch = async () => {
        for await (const { account } of client.watchAccount({ userId: "dan" }, { timeoutMs })) {
          expect(account?.userId).toBe("dan");
          answers += 1;
        }
      };
      await expect(watch()).rejects.toMatchObject({ code: Code.DeadlineExceeded });
    }
  });
});

test("a browser that goes away causes no error in the server's log", async () => {
  const served = await startPoints({ DATABASE_URL: server.database.url, LOG_LEVEL: "error" });
  const client = createPointsClient(createConnectTransport({ baseUrl: served.baseUrl }));
  await client.getOrCreate({ userId: "eve" });
  const page = new AbortController();
  const watch = async () => {
    const stream = client.watchAccount({ userId: "eve" }, { signal: page.signal });
    for await (const { account } of stream) {
      if (account !== undefined) page.abort();
    }
  };
  await expect(watch()).rejects.toMatchObject({ code: Code.Canceled });
  await client.getOrCreate({ userId: "eve" });
  const { code, stderr } = await served.end("SIGTERM");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});

test("the client imports nothing of Node", () => {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["--input-type=module", "--eval", LIST_IMPORTS],
    { encoding: "utf8" },
  );
  expect(stderr).toBe("");
  const imports = [...new Set(JSON.parse(stdout) as string[])];
  expect(imports.filter((url) => url.endsWith("/src/client/retry.ts"))).toHaveLength(1);
  expect(imports.filter((url) => url.includes("/@connectrpc/connect/"))).not.toHaveLength(0);
  expect(imports.filter((url) => !url.startsWith("file:"))).toEqual([]);
  expect(imports.filter((url) => url.includes("/connect-node/"))).toEqual([]);
});

/** Prints all modules that an import of the client loads, directly or not. */
const LIST_IMPORTS = `
  import { registerHooks } from "node:module";
  const imports = [];
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      imports.push(resolved.url);
      return resolved;
    },
  });
  await import("./src/client/client.ts");
  console.log(JSON.stringify(imports));
`;
