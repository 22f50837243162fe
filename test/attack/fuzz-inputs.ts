import { fromJson, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import type { Random } from "../support/random.ts";
import { envelope } from "../support/raw-call.ts";
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
import { mutated, mutatedJson } from "./mutate.ts";

/** One call, with something odd in its headers, its gRPC frames or its message. */
export type CallInput = {
  readonly kind: "headers" | "gRPC" | "protobuf" | "JSON";
  readonly method: string;
  readonly fields: readonly Field[];
  readonly body: Buffer;
};

/** The bytes that a connection sends after its preface. */
export type WireInput = { readonly kind: "frames"; readonly bytes: Buffer };

/** Generates a call that is wrong in some way or, rarely, still valid. */
export function callInput(random: Random): CallInput {
  const { method, text, message } = random.pick(CALLS);
  const kind = random.pick(["headers", "gRPC", "protobuf", "protobuf", "JSON"] as const);
  // Connect serves half of them: it accepts the content type in upper case.
  const type: Field = ["content-type", random.pick(["application/grpc", "application/GRPC"])];
  switch (kind) {
    case "headers": {
      const odd = Array.from({ length: 1 + random.below(3) }, () => oddField(random));
      return { kind, method, fields: [type, ...odd], body: framed(message) };
    }
    case "gRPC": {
      const two = random.chance(0.3) ? [framed(message), framed(message)] : [framed(message)];
      const fields = [type, ...(random.chance(0.3) ? [oddField(random)] : [])];
      return { kind, method, fields, body: mutated(random, Buffer.concat(two)) };
    }
    case "protobuf":
      return { kind, method, fields: [type], body: framed(mutated(random, message)) };
    case "JSON": {
      const json = mutatedJson(random, text);
      const isConnect = random.chance(0.5) && method !== "Apply" && method !== "WatchAccount";
      const name = isConnect ? "application/json" : "application/grpc+json";
      const fields: Field[] = [["content-type", name]];
      return { kind, method, fields, body: isConnect ? json : framed(json) };
    }
  }
}

/** Generates the frames of a few calls, mutated as frames, as bytes, or both. */
export function wireInput(random: Random): WireInput {
  const frames = Array.from({ length: 1 + random.below(3) }, (_, index) => {
    return callFrames(random, 2 * index + 1);
  }).flat();
  for (let left = random.below(4); left > 0; left -= 1) {
    const at = random.below(frames.length);
    const change = random.below(5);
    if (change === 0) frames.splice(at, 1);
    if (change === 1) frames.splice(at, 0, frames[random.below(frames.length)] ?? Buffer.alloc(0));
    if (change === 2) frames.splice(at, 0, oddFrame(random));
    if (change === 3) frames[at] = mutated(random, frames[at] ?? Buffer.alloc(0));
    if (change === 4) frames.push(...frames.splice(at, 1));
  }
  const bytes = Buffer.concat(frames);
  return { kind: "frames", bytes: random.chance(0.3) ? mutated(random, bytes) : bytes };
}

// The seed corpus. Two users and small numbers, so that odd requests still meet existing accounts.
export const SAMPLES: readonly (readonly [method: string, request: JsonValue])[] = [
  ["GetOrCreate", { userId: "ada" }],
  [
    "Recharge",
    { userId: "ada", points: "50", metadata: { job: "a", tenant: "ä 🙂" }, ttl: "3600s" },
  ],
  ["Recharge", { userId: "bob", points: "9", expireTime: "2099-01-01T00:00:00Z", priority: 3 }],
  ["Recharge", { userId: "bob", requestId: "r1", points: "70" }],
  ["Consume", { userId: "ada", points: "2", requestId: "c1" }],
  ["Consume", { userId: "bob", usage: { service: "tts", duration: "1.5s" } }],
  ["Expire", { userId: "ada", points: "1" }],
  ["Expire", { userId: "bob", lot: "1" }],
  ["Expire", { userId: "bob", due: true }],
  ["Freeze", { userId: "ada", points: "3", ttl: "60s" }],
  ["Settle", { userId: "ada", hold: "3", points: "1" }],
  ["Release", { userId: "ada", hold: "4" }],
  ["Refund", { userId: "ada", sequence: "2", points: "1", reissueTtl: "60s" }],
  ["Quote", { userId: "ada", usage: { service: "script", quantity: "2" } }],
  ["ListPrices", {}],
  [
    "ApplyBatch",
    {
      operations: [
        { consume: { userId: "ada", points: "1" } },
        { recharge: { userId: "bob", points: "1" } },
      ],
    },
  ],
  ["Apply", { tag: "t", operation: { recharge: { userId: "ada", points: "4" } } }],
  ["GetEntry", { userId: "ada", sequence: "1" }],
  [
    "ListEntries",
    {
      userId: "ada",
      pageSize: 2,
      kinds: ["ENTRY_KIND_CONSUME"],
      startTime: "2020-01-01T00:00:00Z",
    },
  ],
  ["ListLots", { userId: "ada", pageSize: 3 }],
  ["ListHolds", { userId: "bob" }],
  ["WatchAccount", { userId: "ada" }],
];

const CALLS = SAMPLES.map(([method, request]) => {
  const schema = PointsService.methods.find(({ name }) => name === method)!.input;
  const message = toBinary(schema, fromJson(schema, request));
  return { method, text: JSON.stringify(request), message };
});

function framed(message: Uint8Array): Buffer {
  return Buffer.from(envelope(message));
}

const NAMES = ["content-type", "grpc-encoding", "grpc-accept-encoding", "grpc-timeout", "x-bin"];
const VALUES = [
  "",
  "gzip",
  "br",
  "identity",
  "deflate",
  "gzip,br;q=0",
  "1S",
  "0n",
  "99999999H",
  "1x",
  "trailers",
  "application/grpc",
  "application/grpc+json",
  "application/grpc-web",
  "application/proto",
  "application/connect+json",
  "a\xff",
  "!!!",
  "__proto__",
  "x".repeat(9_000),
];

/** A header with an odd value. */
function oddField(random: Random): Field {
  return [random.pick(NAMES), random.pick(VALUES)];
}

const AUTHORITIES = ["localhost", "localhost", "127.0.0.1", "run%2Fx", "x", "a:b", "%", "[::", ""];

function callFrames(random: Random, stream: number): Buffer[] {
  const { method, message } = random.pick(CALLS);
  const fields: Field[] = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", `/${PointsService.typeName}/${method}`],
    [":authority", random.pick(AUTHORITIES)],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ["grpc-timeout", "1S"],
  ];
  if (random.chance(0.3)) fields.splice(random.below(7), 1);
  if (random.chance(0.3)) fields.splice(random.below(7), 0, oddField(random));
  const block = headerBlock(fields);
  const at = random.chance(0.2) ? random.below(block.length) : block.length;
  const isWhole = at === block.length;
  return [
    frame(TYPE.HEADERS, isWhole ? END_HEADERS : 0, stream, block.subarray(0, at)),
    ...(isWhole ? [] : [frame(TYPE.CONTINUATION, END_HEADERS, stream, block.subarray(at))]),
    frame(TYPE.DATA, END_STREAM, stream, framed(message)),
  ];
}

function oddFrame(random: Random): Buffer {
  const stream = random.below(8);
  return random.pick([
    () => settings([1 + random.below(8), random.pick([0, 1, 100, 65_535, 0x7fff_ffff])]),
    () => frame(TYPE.RST_STREAM, 0, stream, uint32(random.below(14))),
    () => frame(TYPE.WINDOW_UPDATE, 0, stream, uint32(random.pick([0, 1, 65_535, 0x7fff_ffff]))),
    () => frame(TYPE.PING, random.below(2), 0, Buffer.alloc(8)),
    () => frame(TYPE.GOAWAY, 0, 0, Buffer.alloc(8 + random.below(50))),
    () => {
      const content = Array.from({ length: random.below(60) }, () => random.below(256));
      return frame(random.below(13), random.below(256), stream, Buffer.from(content));
    },
  ])();
}
