import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { tokenOf } from "../support/callers.ts";
import { makeAuthority } from "../support/certificates.ts";
import type { TestDatabase } from "../support/database.ts";
import { refusalOf } from "../support/error-info.ts";
import { forwardClock } from "../support/forward-clock.ts";
import { holdLock } from "../support/held-lock.ts";
import { JWT, jwks, makeKey, signedToken, startIssuer } from "../support/jwts.ts";
import { grant, openApply, spend } from "../support/open-apply.ts";
import { temporaryFolder } from "../support/processes.ts";
import { queued } from "../support/queued.ts";
import {
  MAY_ALL,
  sending,
  serve,
  serveApp,
  serveCertified,
  type Served,
} from "../support/served-app.ts";
import { balanceOf, databaseOf, DENIED, OUT } from "../support/withdrawal.ts";

// Callers that lose access while their streams are open.

let database: TestDatabase;
beforeAll(async () => {
  database = await databaseOf("ada", "eu-bob");
});
afterAll(() => database.close());

describe.each<[string, () => Promise<Served & { withdraw(): unknown }>]>([
  [
    "whose token is taken out of the file",
    async () => {
      const { become, ...served } = await serveApp(database);
      return { ...served, withdraw: () => become({}) };
    },
  ],
  [
    "whose JWT expires",
    async () => {
      const key = await makeKey("ES256", "k1");
      const path = `${await temporaryFolder()}/keys.json`;
      await writeFile(path, await jwks(key));
      const token = await signedToken(key, { expires: 60 });
      const served = await serve(database, { ...JWT, JWT_KEYS: path }, { token });
      return { ...served, withdraw: () => forwardClock(66_000) };
    },
  ],
  [
    "whose JWT's key is taken out of its file",
    async () => {
      const [key, next] = [await makeKey("ES256", "k1"), await makeKey("ES256", "k2")];
      const path = `${await temporaryFolder()}/keys.json`;
      await writeFile(path, await jwks(key));
      const token = await signedToken(key);
      const served = await serve(database, { ...JWT, JWT_KEYS: path }, { token });
      return { ...served, withdraw: async () => writeFile(path, await jwks(next)) };
    },
  ],
  [
    "whose JWT's key is withdrawn at its URL, a minute later",
    async () => {
      const [key, next] = [await makeKey("ES256", "k1"), await makeKey("ES256", "k2")];
      const issuer = await startIssuer(key);
      const token = await signedToken(key, { expires: 3_600 });
      const served = await serve(database, { ...JWT, JWT_KEYS: issuer.url }, { token });
      const withdraw = async () => {
        issuer.keys = await jwks(next);
        forwardClock(60_000);
      };
      return { ...served, withdraw };
    },
  ],
  [
    "whose certificate is taken out of the file",
    async () => {
      const { become, ...served } = await serveCertified(database);
      return { ...served, withdraw: () => become({}) };
    },
  ],
  [
    "whose certificate's authority is replaced",
    async () => {
      const { trust, ...served } = await serveCertified(database);
      const other = await makeAuthority();
      return { ...served, withdraw: () => trust(other) };
    },
  ],
  [
    "whose certificate expires",
    async () => ({
      ...(await serveCertified(database)),
      withdraw: () => forwardClock(25 * 3_600_000),
    }),
  ],
])("a caller %s", (_, start) => {
  test("ends all idle streams, and admits no call", async () => {
    const { client, transport, server, withdraw } = await start();
    const apply = openApply(client);
    await apply.write(spend("ada", "before"));
    expect(await apply.next()).toBe("before: consume");
    const reflection = createClient(ServerReflection, transport);
    const streams = [
      client.watchAccount({ userId: "ada" })[Symbol.asyncIterator](),
      createClient(Health, transport).watch({})[Symbol.asyncIterator](),
      reflection.serverReflectionInfo(askForServices())[Symbol.asyncIterator](),
    ];
    for (const stream of streams) await stream.next();

    await withdraw();
    expect(await apply.end()).toEqual({ results: [], refusal: expect.objectContaining(OUT) });
    for (const stream of streams) expect(await refusalOf(toEnd(stream))).toMatchObject(OUT);
    // It is refused, or no connection to be had.
    await expect(client.getPriceList({})).rejects.toThrow();
    expect(await server.metrics()).toMatch(
      /points_refusals_total\{reason="UNAUTHENTICATED"\} [4-9]/,
    );
  });
});

/** Skips earlier messages: Health, for one, may have sent some. */
async function toEnd(stream: AsyncIterator<unknown>): Promise<void> {
  while ((await stream.next()).done !== true);
}

/** Sends one request, and then nothing. */
async function* askForServices() {
  yield { messageRequest: { case: "listServices" as const, value: "" } };
  await new Promise(() => {});
}

describe("a stream of operations", () => {
  test("authorizes each of them, and answers those that were queued before", async () => {
    const { client, become, server } = await serveApp(database, MAY_ALL, { QUEUE_MAX_OPS: "1" });
    const before = await balanceOf(database, "ada");
    const lock = await holdLock(database, "ada");
    const apply = openApply(client);
    // The first is in a transaction and the second queued; the third was read, and waits for room.
    for (const tag of ["1", "2", "3"]) await apply.write(spend("ada", tag));
    await lock.awaited();
    await queued(server, 1);
    await sleep(200);
    await become({});
    await lock.release();
    const { results, refusal } = await apply.end();
    expect(refusal).toMatchObject(OUT);
    expect(results).toEqual(["1: consume", "2: consume"]);
    expect(await balanceOf(database, "ada")).toBe(before - 2n);
  });

  test("answers what was queued before, also if its caller sends on", async () => {
    const { client, become } = await serveApp(database);
    const before = await balanceOf(database, "ada");
    const lock = await holdLock(database, "ada");
    const apply = openApply(client);
    await apply.write(spend("ada", "1"));
    await lock.awaited();
    await become({});
    for (const tag of ["2", "3"]) await apply.write(spend("ada", tag)).catch(() => {});
    await sleep(200);
    await lock.release();
    expect(await apply.end()).toMatchObject({ results: ["1: consume"], refusal: OUT });
    expect(await balanceOf(database, "ada")).toBe(before - 1n);
  });

  test("goes by the scopes, the users and the name that its caller has by then", async () => {
    const { client, become } = await serveApp(database, { scopes: ["points.spend"] });
    const apply = openApply(client);
    const did = async (request: Parameters<typeof apply.write>[0]) => {
      await apply.write(request);
      return apply.next();
    };
    expect(await did(spend("ada"))).toBe(": consume");
    expect(await did(grant("ada"))).toBe(": error 7");
    await become({ app: { scopes: ["points.grant"] } });
    expect(await did(spend("ada"))).toBe(": error 7");
    expect(await did(grant("ada"))).toBe(": recharge");
    await become({ app: { ...MAY_ALL, prefix: "eu-" } });
    expect(await did(spend("ada"))).toBe(": error 7");
    expect(await did(spend("eu-bob"))).toBe(": consume");
    await become({ renamed: { ...MAY_ALL, token: "app" } });
    expect(await did(spend("ada"))).toBe(": consume");
    const [last] = (await client.listEntries({ userId: "ada", pageSize: 1 })).entries;
    expect(last?.caller).toBe("renamed");

    await become({ app: { scopes: ["points.read"] } });
    const { refusal } = await apply.end();
    expect(refusal).toMatchObject({
      ...DENIED,
      metadata: { scope: "points.spend points.refund points.grant points.revoke points.policy" },
    });
  });

  test("stays ended when its caller is let in again", async () => {
    const { client, become } = await serveApp(database);
    const apply = openApply(client);
    await apply.write(spend("ada"));
    await apply.next();
    await become({});
    await become({ app: MAY_ALL });
    await apply.write(spend("ada")).catch(() => {});
    expect(await apply.end()).toMatchObject({ results: [], refusal: OUT });
    await client.getPriceList({});
  });

  test("goes on when the file is read again, or cannot be", async () => {
    const { client, become, breakFile } = await serveApp(database);
    const apply = openApply(client);
    for (const change of [() => become({ app: MAY_ALL }), breakFile]) {
      await change();
      await apply.write(spend("ada"));
      expect(await apply.next()).toBe(": consume");
    }
  });
});

describe("a watch", () => {
  test("ends when its caller may no longer touch the user, and goes on while they may", async () => {
    const { client, become } = await serveApp(database);
    const watched = ["ada", "eu-bob"].map((userId) =>
      client.watchAccount({ userId })[Symbol.asyncIterator](),
    );
    const [ada, bob] = [watched[0]!, watched[1]!];
    await Promise.all([ada.next(), bob.next()]);
    await become({ app: { ...MAY_ALL, prefix: "eu-" } });
    const refusal = await refusalOf(ada.next());
    expect(refusal).toMatchObject({ ...DENIED, metadata: { user_id_prefix: "eu-" } });
    await client.recharge({ userId: "eu-bob", points: 1n });
    expect((await bob.next()).value?.account?.userId).toBe("eu-bob");

    await become({ app: { scopes: ["points.spend"], prefix: "eu-" } });
    const unscoped = await refusalOf(bob.next());
    expect(unscoped).toMatchObject({ ...DENIED, metadata: { scope: "points.read" } });
  });

  test.each([
    ["gRPC-Web over HTTP/1.1", createGrpcWebTransport, "1.1"],
    ["gRPC-Web over HTTP/2", createGrpcWebTransport, "2"],
    ["Connect over HTTP/1.1", createConnectTransport, "1.1"],
    ["Connect over HTTP/2", createConnectTransport, "2"],
  ] as const)("ends in %s too", async (_, createTransport, httpVersion) => {
    const { server, become } = await serveApp(database);
    const { baseUrl } = server;
    const interceptors = [sending(tokenOf("app"))];
    const client = createClient(
      PointsService,
      createTransport({ baseUrl, httpVersion, interceptors }),
    );
    const watch = client.watchAccount({ userId: "ada" })[Symbol.asyncIterator]();
    await watch.next();
    await become({});
    expect(await refusalOf(watch.next())).toMatchObject(OUT);
  });
});
