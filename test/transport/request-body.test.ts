import type { IncomingMessage } from "node:http";
import { PassThrough, Readable } from "node:stream";
import { expect, test } from "vitest";
import { gatherBody } from "../../src/transport/request-body.ts";
import { envelope } from "../support/raw-call.ts";

// Connect looks at all pieces of a message each time another piece comes: it must get few pieces.

const MAX_BYTES = 100_000;
const A = Buffer.from(envelope(Buffer.from("first")));
const B = Buffer.from(envelope(Buffer.alloc(500, "b")));
const LARGE = Buffer.from(envelope(Buffer.alloc(MAX_BYTES + 1)));

function singly(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (byte) => Buffer.of(byte));
}

/** The pieces of a body that are handed on, as they come. */
function gathered(type: string, body: Readable): AsyncGenerator<Buffer> {
  const request = Object.assign(body, { headers: { "content-type": type } });
  gatherBody(request as unknown as IncomingMessage, MAX_BYTES);
  return request[Symbol.asyncIterator]() as AsyncGenerator<Buffer>;
}

/** All pieces that are handed on of a body that comes in these pieces. */
async function handedOn(type: string, pieces: Buffer[]): Promise<Buffer[]> {
  const handed: Buffer[] = [];
  for await (const chunk of gathered(type, Readable.from(pieces))) handed.push(chunk);
  return handed;
}

test.each([
  "application/grpc",
  "application/GRPC+json",
  "application/grpc-web+proto",
  "application/connect+json",
])("messages of %s are whole, though they come as single bytes", async (type) => {
  expect(await handedOn(type, singly(Buffer.concat([A, B, A])))).toEqual([A, B, A]);
});

test.each(["application/json", "application/proto"])("a body of %s is one", async (type) => {
  expect(await handedOn(type, singly(B))).toEqual([B]);
});

test("messages that come together are handed on together, except one that is not whole", async () => {
  const [half, rest] = [B.subarray(0, 300), B.subarray(300)];
  const pieces = [Buffer.concat([A, A, half]), rest, A];
  expect(await handedOn("application/grpc", pieces)).toEqual([Buffer.concat([A, A]), B, A]);
});

test("a message is handed on before the next one comes", async () => {
  const stream = new PassThrough();
  const chunks = gathered("application/grpc", stream);
  stream.write(Buffer.concat([A, B.subarray(0, 9)]));
  expect((await chunks.next()).value).toEqual(A);
  stream.end(B.subarray(9));
  expect((await chunks.next()).value).toEqual(B);
});

test("a message that is too large is handed on at once, to be refused", async () => {
  const handed = await handedOn("application/grpc", singly(LARGE.subarray(0, 8)));
  expect(handed[0]).toEqual(LARGE.subarray(0, 5));
});

test("a body is handed on as soon as it is too large, to be refused", async () => {
  const body = [Buffer.alloc(MAX_BYTES), Buffer.alloc(1), Buffer.alloc(7)];
  const handed = await handedOn("application/json", body);
  expect(handed.map(({ length }) => length)).toEqual([MAX_BYTES + 1, 7]);
});

test("a part of a message at the end is handed on as it is", async () => {
  const cut = B.subarray(0, 100);
  expect(await handedOn("application/grpc", [A, cut])).toEqual([A, cut]);
});
