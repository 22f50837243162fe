import { gzipSync } from "node:zlib";
import { ConnectError } from "@connectrpc/connect";
import { errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { readRefusal } from "../support/error-info.ts";
import { exchange } from "../support/exchange.ts";
import {
  callConnectProto,
  callGrpc,
  callGrpcWeb,
  callJson,
  envelope,
  type RawCall,
} from "../support/raw-call.ts";
import { testServer, type TestServer } from "../support/server.ts";

// The size limit of a request, in each protocol, plain or compressed.

let database: TestDatabase;
let server: TestServer;
beforeAll(async () => {
  database = await testDatabase();
  server = await testServer({ MESSAGE_MAX_BYTES: "200000" }, database);
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

const TOO_LARGE = {
  code: "ResourceExhausted",
  reason: "MESSAGE_TOO_LARGE",
  domain: "points.v1",
  outcome: "NOT_APPLIED",
};

type Bytes = Uint8Array<ArrayBuffer>;
type Send = (method: string, message: Bytes) => Promise<ConnectError | undefined>;

const GZIP = { "grpc-encoding": "gzip", "content-encoding": "gzip" };
const zip = (message: Bytes): Bytes => Uint8Array.from(gzipSync(message));

type Call = (baseUrl: string, call: RawCall) => Promise<ConnectError | undefined>;

function framed(call: Call, type: string): Send {
  return (method, message) => {
    const headers = { "content-type": type };
    return call(server.baseUrl, { method, body: envelope(message), headers });
  };
}

function framedZip(call: Call, type: string): Send {
  return (method, message) => {
    const headers = { ...GZIP, "content-type": type };
    return call(server.baseUrl, { method, body: envelope(zip(message), 1), headers });
  };
}

function bare(call: Call): Send {
  return (method, body) => call(server.baseUrl, { method, body });
}

function bareZip(call: Call): Send {
  return (method, message) =>
    call(server.baseUrl, { method, body: zip(message), headers: { "content-encoding": "gzip" } });
}

/** Sends it in several frames, without a length. */
function bareOverHttp2(type: string): Send {
  return async (method, message) => {
    const headers = {
      ":method": "POST",
      ":path": `/points.v1.PointsService/${method}`,
      "content-type": type,
    };
    const chunks = [message.subarray(0, 10_000), message.subarray(10_000)];
    const answer = await exchange(server.port, { headers, chunks });
    const body = Uint8Array.from(Buffer.from(answer.body, "hex"));
    if (String(answer.headers[":status"]) === "200") return undefined;
    return errorFromJsonBytes(body, undefined, new ConnectError("no error of Connect"));
  };
}

const BINARY: [string, Send][] = [
  ["gRPC, the fast path", framed(callGrpc, "application/grpc")],
  ["gRPC, by Connect", framed(callGrpc, "application/GRPC")],
  ["gRPC with gzip", framedZip(callGrpc, "application/grpc")],
  ["gRPC-Web over HTTP/1.1", framed(callGrpcWeb, "application/grpc-web+proto")],
  ["gRPC-Web with gzip", framedZip(callGrpcWeb, "application/grpc-web+proto")],
  ["Connect over HTTP/1.1", bare(callConnectProto)],
  ["Connect over HTTP/1.1 with gzip", bareZip(callConnectProto)],
  ["Connect over HTTP/2", bareOverHttp2("application/proto")],
];
const JSON_WAYS: [string, Send][] = [
  ["JSON over gRPC", framed(callGrpc, "application/grpc+json")],
  ["JSON over gRPC with gzip", framedZip(callGrpc, "application/grpc+json")],
  ["JSON over HTTP/1.1", bare(callJson)],
  ["JSON over HTTP/1.1 with gzip", bareZip(callJson)],
  ["JSON over HTTP/2", bareOverHttp2("application/json")],
];

/** A recharge of this number of bytes, most of them in an unknown field. */
function recharge(bytes: number): Bytes {
  return padded(Buffer.from("0a036164612001", "hex"), bytes);
}

/** A batch of one recharge, likewise. */
function batch(bytes: number): Bytes {
  return padded(Buffer.from("0a090a070a036164612001", "hex"), bytes);
}

function padded(message: Buffer, bytes: number): Bytes {
  const left = bytes - message.length - 4;
  const unknown = Buffer.from([0x62, 0x80 | (left & 127), 0x80 | ((left >> 7) & 127), left >> 14]);
  return Uint8Array.from(Buffer.concat([message, unknown, Buffer.alloc(left)]));
}

function spaced(json: string, bytes: number): Bytes {
  return Uint8Array.from(Buffer.from(json.padEnd(bytes)));
}

const RECHARGE_JSON = `{"userId":"ada","points":"1"}`;
const BATCH_JSON = `{"operations":[{"recharge":${RECHARGE_JSON}}]}`;

describe.each([
  ...BINARY.map(([way, send]) => [way, send, recharge, batch] as const),
  ...JSON_WAYS.map(([way, send]) => {
    const single = (bytes: number) => spaced(RECHARGE_JSON, bytes);
    return [way, send, single, (bytes: number) => spaced(BATCH_JSON, bytes)] as const;
  }),
])("by %s", (_, send, single, many) => {
  test("a request of 64 KiB is applied", async () => {
    expect(await send("Recharge", single(65_536))).toBeUndefined();
  });

  test("one of a byte more is too large", async () => {
    const before = await server.client.getOrCreate({ userId: "ada" });
    expect(readRefusal(await send("Recharge", single(65_537)))).toMatchObject(TOO_LARGE);
    const after = await server.client.getOrCreate({ userId: "ada" });
    expect(after.account).toEqual(before.account);
  });

  test("a batch may be as large as MESSAGE_MAX_BYTES, and no larger", async () => {
    expect(await send("ApplyBatch", many(200_000))).toBeUndefined();
    expect(readRefusal(await send("ApplyBatch", many(200_001)))).toMatchObject(TOO_LARGE);
  });
});

describe.each([
  ["gRPC", framed(callGrpc, "application/grpc")],
  ["gRPC with gzip", framedZip(callGrpc, "application/grpc")],
])("a message of a stream by %s", (_, send) => {
  test("may be as large as MESSAGE_MAX_BYTES, and no larger", async () => {
    const message = Buffer.from("12090a070a036164612001", "hex");
    expect(await send("Apply", padded(message, 200_000))).toBeUndefined();
    expect(readRefusal(await send("Apply", padded(message, 200_001)))).toMatchObject(TOO_LARGE);
  });

  test("that asks to watch may be 64 KiB", async () => {
    const message = padded(Buffer.from("0a036164612001", "hex"), 65_537);
    expect(readRefusal(await send("WatchAccount", message))).toMatchObject(TOO_LARGE);
  });
});

test("a request that says it is too large is refused before its body comes", async () => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(65_537, 1);
  for (const type of ["application/grpc", "application/GRPC"]) {
    const answer = await exchange(server.port, {
      headers: {
        ":method": "POST",
        ":path": "/points.v1.PointsService/Recharge",
        "content-type": type,
        te: "trailers",
      },
      chunks: [head],
      staysOpen: true,
    });
    // The fast path refuses it before it sends anything: the answer is trailers alone.
    expect({ ...answer.headers, ...answer.trailers }).toMatchObject({ "grpc-status": "8" });
  }
});

test("MESSAGE_SINGLE_MAX_BYTES is the limit, up to MESSAGE_MAX_BYTES", async () => {
  const sizes = { MESSAGE_SINGLE_MAX_BYTES: "300000", MESSAGE_MAX_BYTES: "100000" };
  const larger = await testServer(sizes, database);
  try {
    const call = (bytes: number) =>
      callGrpc(larger.baseUrl, { method: "Recharge", body: envelope(recharge(bytes)) });
    expect(await call(100_000)).toBeUndefined();
    expect(readRefusal(await call(100_001))).toMatchObject(TOO_LARGE);
  } finally {
    await larger.stop();
  }
});
