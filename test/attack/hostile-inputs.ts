import { brotliCompressSync, gzipSync } from "node:zlib";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import {
  ServerReflection,
  ServerReflectionRequestSchema,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { envelope } from "../support/raw-call.ts";
import { type CostInput, framedCall, http1Call, pathOf } from "./cost-inputs.ts";
import {
  END_HEADERS,
  END_STREAM,
  type Field,
  frame,
  headerBlock,
  settings,
  TYPE,
  uint32,
} from "./frames.ts";
import { fill, lengthed } from "./heavy-protobuf.ts";
import { ADA } from "./target.ts";

/**
 * Handwritten expensive requests, which no descriptor leads to: many chunks, many messages in one
 * request, large headers, decompression bombs, or many frames.
 */
export function hostileInputs(): readonly CostInput[] {
  return [...pieces(), ...batches(), ...streams(), ...heads(), ...unpacking(), ...frames()];
}

const { getOrCreate, apply, applyBatch, listEntries, recharge } = PointsService.method;
const PATH = pathOf(getOrCreate);
const GRPC: Field = ["content-type", "application/grpc"];
const BY_CONNECT: Field = ["content-type", "application/GRPC"];
const GRPC_WEB: Field = ["content-type", "application/grpc-web+proto"];
const JSON_TYPE: Field = ["content-type", "application/json"];
const GZIP: Field = ["grpc-encoding", "gzip"];
const USER = lengthed(1, Buffer.from("ada"));
const NUL = Buffer.alloc(1);

function times(count: number, bytes: Uint8Array): Buffer {
  return Buffer.concat(Array<Uint8Array>(count).fill(bytes));
}

function input(name: string, bytes: Buffer, more: Partial<CostInput> = {}): CostInput {
  return { name, isHttp1: false, bytes, messageBytes: bytes.length, operations: 1, ...more };
}

function pieces(): readonly CostInput[] {
  const json = (bytes: number) => Buffer.from(`{"userId":"ada","x":"${"x".repeat(bytes)}"}`);
  const message = (bytes: number) =>
    envelope(Buffer.concat([USER, lengthed(15, Buffer.alloc(bytes))]));
  const overHttp2: readonly (readonly [path: string, type: Field, body: Uint8Array])[] = [
    [PATH, GRPC, message(5_000)],
    [PATH, BY_CONNECT, message(5_000)],
    [PATH, GRPC_WEB, message(5_000)],
    [PATH, JSON_TYPE, json(5_000)],
    [pathOf(apply), GRPC, message(5_000)],
  ];
  const overHttp1: readonly (readonly [type: Field, body: Uint8Array])[] = [
    [JSON_TYPE, json(9_000)],
    [GRPC_WEB, message(9_000)],
  ];
  return [
    ...overHttp2.map(([path, type, body]) => {
      return input(`single bytes, ${type[1]}, ${path}`, framedCall(path, [type], body, 1));
    }),
    ...overHttp1.map(([[name, type], body]) => {
      const bytes = http1Call(PATH, [`${name}: ${type}`], body, 1);
      return input(`single bytes, ${type} over HTTP/1.1`, bytes, { isHttp1: true });
    }),
  ];
}

const BAD_PAIRS = ["a", "b", "c", "d", "e"].map((key) =>
  lengthed(3, lengthed(1, Buffer.from(key)), lengthed(2, NUL)),
);

const OPERATIONS: readonly (readonly [what: string, operation: Buffer])[] = [
  ["without content", Buffer.alloc(0)],
  ["that recharge nobody", lengthed(1)],
  ["with bad ids", lengthed(1, lengthed(1, NUL), lengthed(2, NUL))],
  ["with 5 bad pairs", lengthed(1, USER, ...BAD_PAIRS)],
  // One is applied, and the rest repeat it, so that no account grows.
  [
    "that are in order",
    lengthed(1, USER, lengthed(2, Buffer.from("r")), Buffer.from("2001", "hex")),
  ],
];

function batches(): readonly CostInput[] {
  return OPERATIONS.map(([what, operation]) => {
    const body = envelope(times(1_000, lengthed(1, operation)));
    const bytes = framedCall(pathOf(applyBatch), [GRPC], body);
    return input(`a batch of 1,000 operations ${what}`, bytes, { operations: 1_000 });
  });
}

type Asked = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;

function reflectionOf(messageRequest: Asked): Uint8Array {
  const request = create(ServerReflectionRequestSchema, { messageRequest });
  return envelope(toBinary(ServerReflectionRequestSchema, request));
}

function streams(): readonly CostInput[] {
  const reflection = pathOf(ServerReflection.method.serverReflectionInfo);
  const file = reflectionOf({ case: "fileByFilename", value: "buf/validate/validate.proto" });
  const services = reflectionOf({ case: "listServices", value: "" });
  const symbol = reflectionOf({ case: "fileContainingSymbol", value: "x".repeat(60_000) });
  const service = envelope(lengthed(1, Buffer.alloc(60_000, "x")));
  const none = Buffer.alloc(5);

  const stream = (name: string, path: string, message: Uint8Array, operations: number) =>
    input(name, framedCall(path, [GRPC], times(operations, message)), { operations });
  return [
    ...OPERATIONS.map(([what, operation]) => {
      const message = envelope(lengthed(2, operation));
      return stream(`a stream of 1,000 operations ${what}`, pathOf(apply), message, 1_000);
    }),
    stream("a stream of 3,000 messages without content", pathOf(apply), none, 3_000),
    stream("12,000 messages of one call", PATH, times(12_000, none), 1),
    stream("a file from reflection, 300 times", reflection, file, 300),
    stream("the services from reflection, 1,000 times", reflection, services, 1_000),
    stream("a symbol of 60,000 characters", reflection, symbol, 1),
    stream("a service of 60,000 characters", pathOf(Health.method.check), service, 1),
  ];
}

const HEAD_BYTES = 15_000;

/** Large or many headers. */
function heavyHeads(): readonly (readonly [what: string, ...fields: Field[]])[] {
  const long = (text: string) => text.repeat(Math.floor(HEAD_BYTES / text.length));
  const many = (make: (n: number) => Field) => Array.from({ length: 120 }, (_, n) => make(n));
  return [
    ["120 fields", ...many((n) => [`x${n}`, "a"])],
    ["one field 120 times", ...many(() => ["x", "a"])],
    ["120 cookies", ...many(() => ["cookie", "a=b"])],
    ["a token", ["authorization", `Bearer ${long("x")}`]],
    ["a token behind spaces", ["authorization", `Bearer ${long(" ")}!`]],
    ["a token of equals signs", ["authorization", `Bearer a${long("=")}!`]],
    ["a token of dots", ["authorization", `Bearer ${long("a.")}`]],
    ["commas for encodings", ["grpc-accept-encoding", long(",")]],
    ["7,500 encodings for the answer", ["grpc-accept-encoding", long("x,")]],
    ["an encoding", ["grpc-encoding", long("x")]],
    ["a deadline", ["grpc-timeout", `${long("1")}S`]],
    ["bytes of metadata", ["x-bin", long("A")]],
    ["a traceparent", ["traceparent", long("0")]],
    ["a query", [":path", `${PATH}?${long("a=b&")}`]],
    ["an unknown path", [":path", `/${long("%41")}`]],
    ["a path of dots", [":path", `/${long("../")}`]],
    ["an authority", [":authority", `${long("a.")}b`]],
    ["an authority of punycode", [":authority", `xn--${long("a")}`]],
    ["an authority of percents", [":authority", long("%41")]],
  ];
}

function heads(): readonly CostInput[] {
  const spaces = `application/json;${" ".repeat(HEAD_BYTES)}x`;
  const parts = `application/json; charset=${"utf-8;".repeat(HEAD_BYTES / 6)}`;
  const lines = [JSON_TYPE.join(": "), ...Array<string>(1_500).fill("a: b")];
  const body = Buffer.from(`{"userId":"ada"}`);
  return [
    ...[GRPC, BY_CONNECT].flatMap((type) =>
      heavyHeads().map(([what, ...fields]) =>
        input(`a head with ${what}, ${type[1]}`, framedCall(PATH, [type, ...fields], ADA)),
      ),
    ),
    input("a type of spaces", framedCall(PATH, [["content-type", spaces]], body)),
    input("a type of many parts", framedCall(PATH, [["content-type", parts]], body)),
    input("1,500 header lines", http1Call(PATH, lines, body), { isHttp1: true }),
  ];
}

function unpacking(): readonly CostInput[] {
  const zip = (bytes: Uint8Array) => envelope(gzipSync(bytes), 1);
  const call = (name: string, method: Parameters<typeof pathOf>[0], body: Uint8Array) =>
    input(name, framedCall(pathOf(method), [GRPC, GZIP], body));
  const kinds = Buffer.concat([USER, lengthed(4, Buffer.alloc(1_000_000, 99))]);
  const brotli = envelope(brotliCompressSync(Buffer.alloc(100_000_000)), 1);
  const byBrotli: Field = ["grpc-encoding", "br"];
  const unknown = fill(1_000_000, Buffer.from("f80701", "hex"));
  const stream = (name: string, message: Uint8Array, operations: number): CostInput => {
    const bytes = framedCall(pathOf(apply), [GRPC, GZIP], times(operations, zip(message)));
    return input(name, bytes, { messageBytes: operations * message.length, operations });
  };
  return [
    call("1,000,000 kinds in gzip", listEntries, zip(kinds)),
    call("1 MB of user ids in gzip", recharge, zip(fill(1_000_000, USER))),
    call("60 MB in gzip", applyBatch, zip(Buffer.alloc(60_000_000))),
    call("2,500 members of gzip", applyBatch, envelope(times(2_500, gzipSync(NUL)), 1)),
    input("100 MB in brotli", framedCall(pathOf(applyBatch), [GRPC, byBrotli], brotli)),
    stream("a stream of 5 messages of 1 MB in gzip", unknown, 5),
    stream("a stream of 500 messages in gzip", Buffer.alloc(0), 500),
  ];
}

function frames(): readonly CostInput[] {
  const call = framedCall(PATH, [GRPC], ADA);
  const before = (what: string, count: number, one: Buffer) =>
    input(`${what}, ${count} times`, Buffer.concat([times(count, one), call]));
  const head: Field[] = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", PATH],
    [":authority", "x"],
    GRPC,
  ];
  // HPACK: adds "a" with a value of 3,900 bytes to the table; 3900 = 127 + 3773 as a varint.
  const name = Buffer.of(0x40, 1, 97, 127, 0x80 | (3773 & 127), 3773 >> 7);
  const tabled = Buffer.concat([headerBlock(head), name, Buffer.alloc(3_900, "b")]);
  const fromTable = Buffer.alloc(16_000, 0xbe);
  return [
    before("PING", 900, frame(TYPE.PING, 0, 0, Buffer.alloc(8))),
    before("SETTINGS", 900, settings([3, 100])),
    before("WINDOW_UPDATE", 4_900, frame(TYPE.WINDOW_UPDATE, 0, 0, uint32(1))),
    before("PRIORITY", 4_500, frame(TYPE.PRIORITY, 0, 1, Buffer.alloc(5))),
    before("an unknown frame", 7_000, frame(0x77, 0, 0)),
    input(
      "a field of 4 kB from the table, 48,000 times",
      Buffer.concat([
        frame(TYPE.HEADERS, 0, 1, tabled),
        frame(TYPE.CONTINUATION, 0, 1, fromTable),
        frame(TYPE.CONTINUATION, 0, 1, fromTable),
        frame(TYPE.CONTINUATION, END_HEADERS, 1, fromTable),
        frame(TYPE.DATA, END_STREAM, 1, ADA),
      ]),
    ),
  ];
}
