import { once } from "node:events";
import { rm } from "node:fs/promises";
import * as http2 from "node:http2";
import { gzipSync } from "node:zlib";
import { fromBinary, toBinary, create } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { PolicyService } from "../../gen/points/v1/policies_pb.ts";
import {
  GetEntryRequestSchema,
  GetEntryResponseSchema,
  PointsService,
} from "../../gen/points/v1/points_pb.ts";
import { clientWith, tokenOf, writeCallers } from "../support/callers.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { readRefusal, refusalOf } from "../support/error-info.ts";
import { bySequence } from "../support/requests.ts";
import { makeFolder } from "../support/run-folder.ts";
import { testServer, type TestServer } from "../support/server.ts";

// Reads by GET, which Connect's protocol has for RPCs without side effects.

const PATH = "/points.v1.PointsService";
const ADA = { userId: "ada", sequence: 1 };

let folder: string;
let database: TestDatabase;
let server: TestServer;
/** It lets a caller have few operations a second. */
let slow: TestServer;
beforeAll(async () => {
  folder = await makeFolder("get");
  database = await testDatabase();
  const callers = await writeCallers(folder, {
    all: { scopes: ["points.grant", "points.read"] },
    granter: { scopes: ["points.grant"] },
    eu: { scopes: ["points.read"], prefix: "eu-" },
  });
  server = await testServer({ ...callers, MESSAGE_SINGLE_MAX_BYTES: "1024" }, database);
  slow = await testServer({ ...callers, CALLER_MAX_PER_SECOND: "1" }, database);
  await clientWith(server.baseUrl, tokenOf("all")).recharge({ userId: "ada", points: 5n });
});
afterAll(async () => {
  await server.stop();
  await slow.stop();
  await database.close();
  await rm(folder, { recursive: true });
});

test("the reads are the RPCs without side effects, and no others are", () => {
  const { NO_SIDE_EFFECTS } = MethodOptions_IdempotencyLevel;
  const methods = [PointsService, PolicyService, LedgerService].flatMap(
    (service) => service.methods,
  );
  const reads = methods.filter(({ idempotency }) => idempotency === NO_SIDE_EFFECTS);
  expect(reads.map(({ name }) => name)).toEqual([
    "GetAccount",
    "Quote",
    "GetPriceList",
    "GetEntry",
    "ListEntries",
    "ListLots",
    "ListHolds",
    "GetForecast",
    "WatchAccount",
    "ListPolicies",
    "GetLedger",
    "ListAccounts",
    "SearchEntries",
    "Summarize",
    "ListExpiring",
    "GetOverview",
  ]);
});

describe.each([["HTTP/1.1"], ["HTTP/2"]])("GET over %s", (version) => {
  const get = (path: string, headers: Record<string, string> = {}) =>
    send(version, path, { authorization: `Bearer ${tokenOf("all")}`, ...headers });

  test("answers as POST does, in JSON, and no cache may keep it", async () => {
    const { status, headers, body } = await get(`GetEntry?${inJson(ADA)}`);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("application/json");
    expect(headers.get("cache-control")).toBe("no-store");
    const posted = await fetch(`${server.baseUrl}${PATH}/GetEntry`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${tokenOf("all")}`,
      },
      body: JSON.stringify(ADA),
    });
    expect(body.toString()).toBe(await posted.text());
  });

  test("answers in binary too", async () => {
    const { status, body } = await get(`GetEntry?${inProto(proto())}`);
    expect(status).toBe(200);
    expect(fromBinary(GetEntryResponseSchema, body).entry).toMatchObject({ points: 5n });
  });

  test("takes a compressed message", async () => {
    const { status } = await get(`GetEntry?${inProto(gzipSync(proto()), "&compression=gzip")}`);
    expect(status).toBe(200);
  });

  const refused: [what: string, query: () => string, status: number, expected: object][] = [
    [
      "an entry that there is not",
      () => inJson({ ...ADA, sequence: 9 }),
      404,
      { reason: "ENTRY_NOT_FOUND" },
    ],
    [
      "JSON that is not strict",
      () => inJson({ ...ADA, sequence: "0x1" }),
      400,
      { reason: "FIELD_INVALID", fields: ["sequence"] },
    ],
    [
      "a field past its limit",
      () => inJson({ ...ADA, sequence: 0 }),
      400,
      { reason: "FIELD_INVALID", fields: ["sequence"] },
    ],
    ["no message", () => "connect=v1&encoding=json", 400, { reason: "FIELD_INVALID" }],
    [
      "what is not base64",
      () => "connect=v1&encoding=proto&base64=1&message=!",
      400,
      { reason: "FIELD_INVALID" },
    ],
    ["what is not gzip", () => inProto(proto(), "&compression=gzip"), 400, {}],
    [
      "a message that is too large, in JSON",
      () => inJson({ userId: "a".repeat(1_100) }),
      429,
      { reason: "MESSAGE_TOO_LARGE" },
    ],
    [
      "a message that is too large, in base64",
      () => inProto(new Uint8Array(1_025)),
      429,
      { reason: "MESSAGE_TOO_LARGE" },
    ],
    [
      "a message that is too large once decompressed",
      () => inProto(gzipSync(new Uint8Array(1_025)), "&compression=gzip"),
      429,
      { reason: "MESSAGE_TOO_LARGE" },
    ],
  ];
  test.each(refused)("refuses %s", async (_, query, status, expected) => {
    const answer = await get(`GetEntry?${query()}`);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(refusalIn(answer)).toMatchObject({ outcome: "NOT_APPLIED", ...expected });
  });

  test.each([
    ["nobody", "", 401, "UNAUTHENTICATED"],
    ["a caller without the scope", tokenOf("granter"), 403, "PERMISSION_DENIED"],
    ["a caller of other users", tokenOf("eu"), 403, "PERMISSION_DENIED"],
  ])("refuses %s", async (_, token, status, reason) => {
    const authorization = token === "" ? "" : `Bearer ${token}`;
    const answer = await get(`GetEntry?${inJson(ADA)}`, { authorization });
    expect(answer.status).toBe(status);
    expect(refusalIn(answer).reason).toBe(reason);
  });

  test.each([
    ["of another origin", { origin: "http://evil.example" }],
    ["that gets it as an image", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" }],
  ])("refuses a page %s", async (_, headers: Record<string, string>) => {
    const answer = await get(`GetEntry?${inJson(ADA)}`, headers);
    expect(answer.status).toBe(403);
    expect(refusalIn(answer).reason).toBe("PERMISSION_DENIED");
  });

  test.each([
    ["0", 504, "DEADLINE_EXCEEDED"],
    ["soon", 400, "FIELD_INVALID"],
  ])("reads a deadline: %s", async (timeout, status, reason) => {
    const answer = await get(`GetEntry?${inJson(ADA)}`, { "connect-timeout-ms": timeout });
    expect(answer.status).toBe(status);
    expect(refusalIn(answer).reason).toBe(reason);
  });

  test("counts against the caller's rate", async () => {
    const headers = { authorization: `Bearer ${tokenOf("all")}` };
    const calls = Array.from({ length: 60 }, () =>
      send(version, `GetPriceList?${inJson({})}`, headers, slow.baseUrl),
    );
    const refusals = (await Promise.all(calls)).filter(({ status }) => status === 429);
    expect(refusals.length).toBeGreaterThan(0);
    expect(refusalIn(refusals[0]!).reason).toBe("RATE_LIMITED");
  });

  test("changes nothing: an RPC that does has none", async () => {
    const { status } = await get(`GetOrCreate?${inJson({ userId: "eve" })}`);
    expect(status).toBe(405);
    const read = clientWith(server.baseUrl, tokenOf("all")).listLots({ userId: "eve" });
    expect((await refusalOf(read)).reason).toBe("ACCOUNT_NOT_FOUND");
  });
});

test.each(["1.1", "2"] as const)("Connect's client reads by GET over HTTP/%s", async (version) => {
  const transport = createConnectTransport({
    baseUrl: server.baseUrl,
    httpVersion: version,
    useHttpGet: true,
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${tokenOf("all")}`);
        expect(request.requestMethod).toBe("POST");
        return next(request);
      },
    ],
  });
  const { entry } = await createClient(PointsService, transport).getEntry({
    userId: "ada",
    by: bySequence(1n),
  });
  expect(entry).toMatchObject({ points: 5n });
});

type Answer = { readonly status: number; readonly headers: Headers; readonly body: Buffer };

async function send(
  version: string,
  path: string,
  headers: Record<string, string>,
  baseUrl: string = server.baseUrl,
): Promise<Answer> {
  if (version === "HTTP/1.1") {
    const answer = await fetch(`${baseUrl}${PATH}/${path}`, { headers });
    const body = Buffer.from(await answer.arrayBuffer());
    return { status: answer.status, headers: answer.headers, body };
  }
  const session = http2.connect(baseUrl);
  onTestFinished(() => session.destroy());
  const stream = session.request({ ...headers, ":path": `${PATH}/${path}` });
  const [head] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
  const found = Object.entries(head).filter(([name]) => !name.startsWith(":"));
  return {
    status: Number(head[":status"]),
    headers: new Headers(found.map(([name, value]): [string, string] => [name, String(value)])),
    body: Buffer.concat(await stream.toArray()),
  };
}

function refusalIn({ body }: Answer) {
  const none = new ConnectError("this is no error of Connect");
  return readRefusal(errorFromJsonBytes(body, undefined, none));
}

function inJson(message: object): string {
  return `connect=v1&encoding=json&message=${encodeURIComponent(JSON.stringify(message))}`;
}

function inProto(bytes: Uint8Array, more = ""): string {
  return `connect=v1&encoding=proto&base64=1${more}&message=${base64Encode(bytes, "url")}`;
}

function proto(): Uint8Array {
  const request = create(GetEntryRequestSchema, { userId: "ada", by: bySequence(1n) });
  return toBinary(GetEntryRequestSchema, request);
}
