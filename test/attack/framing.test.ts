import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { END_STREAM, type Field, frame, TYPE } from "./frames.ts";
import { CALL, data, headers, useTarget } from "./target.ts";
import { HELLO, openWire, type Wire } from "./wire.ts";

// Raw gRPC message frames, through both request paths: the fast path takes only the content type in
// lower case, Connect takes the rest. Malformed timeouts are in test/rpc/deadlines.test.ts.

const target = useTarget();

/** A valid recharge: `user_id: "ada", points: 5`. */
const GOOD = Buffer.from("0a036164612005", "hex");

function framed(message: Uint8Array, flags = 0, length = message.length): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

const gzip = gzipSync(GOOD);
const wrongSum = Buffer.from(gzip);
wrongSum[gzip.length - 6]! ^= 1;
const OK = "200 grpc 0";
const INVALID = "200 grpc 3 FIELD_INVALID";
/** gRPC prescribes this for a message with the compressed flag but without an encoding. */
const NO_ENCODING = "200 grpc 13 FIELD_INVALID";
const LATE = "200 grpc 4 DEADLINE_EXCEEDED";
const TOO_LARGE = "200 grpc 8 MESSAGE_TOO_LARGE";
const UNIMPLEMENTED = "200 grpc 12 UNIMPLEMENTED";

type Case = [what: string, answer: string, body: Uint8Array, fields?: Field[]];

/** A case with the compressed flag, and this encoding in the header. */
function compressed(what: string, answer: string, name: string, message: Uint8Array): Case {
  return [what, answer, framed(message, 1), [["grpc-encoding", name]]];
}

const cases: Case[] = [
  ["a good message", OK, framed(GOOD)],
  ["no body", UNIMPLEMENTED, Buffer.alloc(0)],
  ["a head of 1 byte", INVALID, Buffer.of(0)],
  ["a head of 4 bytes", INVALID, Buffer.alloc(4)],
  ["a head alone", UNIMPLEMENTED, framed(Buffer.alloc(0), 0, 7)],
  ["a length that is 1 too small", INVALID, framed(GOOD, 0, 6)],
  ["a length that is 1 too large", INVALID, framed(GOOD, 0, 8)],
  ["a length of 1 MiB and 1", TOO_LARGE, framed(GOOD, 0, 1_048_577)],
  ["a length of 2^31", TOO_LARGE, framed(GOOD, 0, 2 ** 31)],
  ["a length of 2^32 - 1", TOO_LARGE, framed(GOOD, 0, 2 ** 32 - 1)],
  ["two messages", UNIMPLEMENTED, Buffer.concat([framed(GOOD), framed(GOOD)])],
  ["two messages without content", UNIMPLEMENTED, Buffer.alloc(10)],
  [
    "a message and one without content",
    UNIMPLEMENTED,
    Buffer.concat([framed(GOOD), Buffer.alloc(5)]),
  ],
  ["a message and 1 byte", INVALID, Buffer.concat([framed(GOOD), Buffer.of(0)])],
  [
    "a message and a byte of gRPC-Web's trailers",
    INVALID,
    Buffer.concat([framed(GOOD), Buffer.of(0x80)]),
  ],
  ["flag 1 and no encoding", NO_ENCODING, framed(GOOD, 1)],
  ["flag 1 of identity", NO_ENCODING, framed(GOOD, 1), [["grpc-encoding", "identity"]]],
  ["unknown flags, with the flag 1", NO_ENCODING, framed(GOOD, 0xff)],
  ["an unknown flag", OK, framed(GOOD, 2)],
  ["gzip", OK, framed(gzip, 1), [["grpc-encoding", "gzip"]]],
  ["gzip without the flag", INVALID, framed(gzip), [["grpc-encoding", "gzip"]]],
  compressed("gzip that is none", INVALID, "gzip", GOOD),
  compressed("gzip of nothing", INVALID, "gzip", Buffer.alloc(0)),
  compressed("gzip that is cut", INVALID, "gzip", gzip.subarray(0, -5)),
  compressed("gzip with a wrong sum", INVALID, "gzip", wrongSum),
  compressed("gzip with more behind it", INVALID, "gzip", Buffer.concat([gzip, GOOD])),
  compressed("gzip of gzip", INVALID, "gzip", gzipSync(gzip)),
  compressed("gzip of 100 MB", TOO_LARGE, "gzip", gzipSync(Buffer.alloc(1e8)).subarray(0, 60_000)),
  compressed("brotli", OK, "br", brotliCompressSync(GOOD)),
  compressed("brotli that is none", INVALID, "br", Buffer.alloc(20, 0xff)),
  compressed("brotli of 100 MB", TOO_LARGE, "br", brotliCompressSync(Buffer.alloc(1e8))),
  ...["deflate", "GZIP", "zstd", "", "__proto__"].map((name) =>
    compressed(`the encoding "${name}"`, UNIMPLEMENTED, name, deflateSync(GOOD)),
  ),
  [
    "two encodings",
    UNIMPLEMENTED,
    framed(gzip, 1),
    [
      ["grpc-encoding", "gzip"],
      ["grpc-encoding", "br"],
    ],
  ],
  ["an encoding of HTTP", OK, framed(GOOD), [["content-encoding", "gzip"]]],
  ["odd encodings for the answer", OK, framed(GOOD), [["grpc-accept-encoding", ",;q=ÿ,, br;x"]]],
  [
    "2,000 encodings for the answer",
    OK,
    framed(GOOD),
    [["grpc-accept-encoding", "gzip,".repeat(2000)]],
  ],
  ["the longest possible deadline", OK, framed(GOOD), [["grpc-timeout", "99999999H"]]],
  ["a deadline of 0 hours", LATE, framed(GOOD), [["grpc-timeout", "0H"]]],
  ["flag 1 past the deadline, which nobody reads", LATE, framed(GOOD, 1), [["grpc-timeout", "0n"]]],
  [
    "a status of the caller's",
    OK,
    framed(GOOD),
    [
      ["grpc-status", "7"],
      ["grpc-message", "%zz"],
    ],
  ],
];

describe.each([
  ["the fast path", "application/grpc"],
  ["Connect", "application/GRPC"],
])("by %s", (_, type) => {
  test.each(cases)("%s: %s", async (_what, answer, body, fields = []) => {
    const before = await target().rows();
    expect(await answerTo(type, body, fields)).toBe(answer);
    expect(answer === OK ? before : await target().rows()).toEqual(before);
  });
});

describe("the content type", () => {
  const types: [string, string][] = [
    ["application/grpc+proto", OK],
    ["application/grpc+json", INVALID],
    ["application/proto", "400"],
    ["application/json", "400"],
    ...[
      "",
      "application/grpc+xml",
      "application/grpc;",
      "application/grpc; charset=utf-8",
      "application/grpcx",
      "application/grpc-web-text",
      "application/connect+proto",
      "application/json; charset=utf-16",
      "text/plain",
      "multipart/form-data",
      "*/*",
      "application/grpc, application/grpc",
      "application/grpc+__proto__",
      "a".repeat(5000),
    ].map((type): [string, string] => [type, "415"]),
  ];
  test.each(types)("%s: %s", async (type, answer) => {
    const before = await target().rows();
    expect(await answerTo(type, framed(GOOD), [])).toBe(answer);
    expect(answer === OK ? before : await target().rows()).toEqual(before);
  });
});

/** The answer to a recharge of these bytes: status, gRPC status, reason. */
async function answerTo(type: string, body: Uint8Array, fields: readonly Field[]): Promise<string> {
  const wire = openWire(target().port);
  const head = CALL.map(([name, value]): Field => {
    if (name === ":path") return [name, "/points.v1.PointsService/Recharge"];
    return [name, name === "content-type" ? type : value];
  });
  wire.send(HELLO, headers([...head, ...fields]), ...inFrames(body));
  expect(await wire.until(() => wire.outcome(1) !== undefined), "an end in time").toBe(true);
  wire.close();
  return [wire.outcome(1), reasonIn(wire)].filter(Boolean).join(" ");
}

function inFrames(body: Uint8Array): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < body.length; at += 16_384) {
    frames.push(data(body.subarray(at, at + 16_384), 1, 0));
  }
  return [...frames, frame(TYPE.DATA, END_STREAM, 1)];
}

/** The reason in the details of an error, whose outcome must be NOT_APPLIED. */
function reasonIn(wire: Wire): string | undefined {
  const details = wire.fields(1)["grpc-status-details-bin"];
  if (details === undefined) return undefined;
  const text = Buffer.from(details, "base64").toString("latin1");
  expect(text).toContain("NOT_APPLIED");
  return /[A-Z]+_[A-Z_]*[A-Z]|UNIMPLEMENTED/.exec(text)?.[0];
}
