import { create } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { compressionGzip } from "@connectrpc/connect-node";
import { createMethodSerializationLookup, envelopeDecompress } from "@connectrpc/connect/protocol";
import { expect, test } from "vitest";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { answerTooLarge, completeTransportError } from "../../src/rpc/transport-error.ts";
import { readRefusal, type Refusal } from "../support/error-info.ts";

// Each error is made by the library itself. Where one of these fails after an update, the library
// says it in other words, and src/rpc/transport-error.ts no longer recognizes it.

const { consume } = PointsService.method;
const MAX_BYTES = 100;
const LIMITS = { readMaxBytes: MAX_BYTES, writeMaxBytes: MAX_BYTES };
const MESSAGES = createMethodSerializationLookup(consume, undefined, undefined, LIMITS);
const LARGE_ANSWER = create(consume.output, { account: { userId: "u".repeat(MAX_BYTES) } });
const COMPRESSED_FLAG = 1;

test.each<[string, () => unknown, Partial<Refusal>]>([
  [
    "bytes that are no message",
    () => MESSAGES.getI(true).parse(bytes("\xff\xff")),
    { code: "InvalidArgument", reason: "FIELD_INVALID", outcome: "NOT_APPLIED" },
  ],
  [
    "bytes that are not compressed as they say",
    () => compressionGzip.decompress(bytes("no gzip"), MAX_BYTES),
    { code: "InvalidArgument", reason: "FIELD_INVALID", outcome: "NOT_APPLIED" },
  ],
  [
    "a compressed frame without an encoding",
    () => envelopeDecompress({ flags: COMPRESSED_FLAG, data: bytes("") }, null, MAX_BYTES),
    { code: "Internal", reason: "FIELD_INVALID", outcome: "NOT_APPLIED" },
  ],
  [
    "a request that is too large",
    () => MESSAGES.getI(true).parse(bytes(" ".repeat(MAX_BYTES + 1))),
    { code: "ResourceExhausted", reason: "MESSAGE_TOO_LARGE", outcome: "NOT_APPLIED" },
  ],
  [
    "an answer that is too large",
    () => MESSAGES.getO(true).serialize(LARGE_ANSWER),
    { code: "ResourceExhausted", reason: "MESSAGE_TOO_LARGE", outcome: "UNKNOWN" },
  ],
  [
    "a JSON member that is there twice",
    () => MESSAGES.getI(false).parse(bytes('{"userId":"a","userId":"b"}')),
    { code: "InvalidArgument", reason: "FIELD_INVALID", fields: ["userId"] },
  ],
  [
    "a JSON value of another type than its field",
    () => MESSAGES.getI(false).parse(bytes('{"points":"many"}')),
    { code: "InvalidArgument", reason: "FIELD_INVALID", fields: ["points"] },
  ],
])("%s is recognized", async (_, fail, expected) => {
  const error = await errorOf(fail);
  completeTransportError(error);
  expect(readRefusal(error)).toMatchObject(expected);
});

test("an answer that is too large is refused in Connect's words", async () => {
  const error = await errorOf(() => MESSAGES.getO(true).serialize(LARGE_ANSWER));
  const [, size] = /(\d+)/.exec(error.rawMessage)!;
  completeTransportError(error);
  expect(readRefusal(answerTooLarge(Number(size), MAX_BYTES))).toEqual(readRefusal(error));
});

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

async function errorOf(fail: () => unknown): Promise<ConnectError> {
  try {
    await fail();
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error("nothing failed");
}
