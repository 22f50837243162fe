import { gzipSync } from "node:zlib";
import type { DescMethod, JsonValue } from "@bufbuild/protobuf";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { randomOf } from "../support/random.ts";
import { envelope } from "../support/raw-call.ts";
import { END_HEADERS, END_STREAM, type Field, frame, headerBlock, TYPE } from "./frames.ts";
import { SAMPLES } from "./fuzz-inputs.ts";
import { type Heavy, heavyMessages } from "./heavy-messages.ts";

/** The bytes of one request that must not cost the server's thread much time (DoS input). */
export type CostInput = {
  readonly name: string;
  readonly isHttp1: boolean;
  readonly bytes: Buffer;
  /** The size of all its messages, after decompression. */
  readonly messageBytes: number;
  /** The messages of a stream, or the operations of a batch. */
  readonly operations: number;
};

/** The maximum size of a request, and of its messages after decompression. */
export const INPUT_MAX_BYTES = 65_536;
/** The maximum size of a batch's message. */
const BATCH_MAX_BYTES = 1_048_576;
const HEAD_MAX_BYTES = 1_000;

/**
 * For each RPC every message that has much of one thing, each sent in one of the possible ways.
 * Messages of batches are also sent compressed, at their maximum size.
 */
export function* messageInputs(seed: number): Generator<CostInput> {
  const random = randomOf(seed);
  for (const [name, anySample] of SAMPLES) {
    const method = PointsService.methods.find((one) => one.name === name)!;
    const sample = appliedOnce(method, anySample);
    const sizes = isBatch(method) ? [INPUT_MAX_BYTES, BATCH_MAX_BYTES] : [INPUT_MAX_BYTES];
    for (const size of sizes) {
      for (const heavy of heavyMessages(method.input, sample, size - HEAD_MAX_BYTES)) {
        const ways = size === INPUT_MAX_BYTES ? WAYS : COMPRESSED_WAYS;
        const way = random.pick(ways.filter((one) => one.takes(method, heavy)));
        const bytes = way.send(method, heavy);
        if (bytes.length > INPUT_MAX_BYTES) continue;
        yield {
          name: `${name}, ${heavy.what}, ${way.name}`,
          isHttp1: way.isHttp1,
          bytes,
          messageBytes: heavy.content.length,
          operations: 1,
        };
      }
    }
  }
}

/** Gives every request one request id: else an account of thousands of lots would be the cost. */
function appliedOnce(method: DescMethod, sample: JsonValue): JsonValue {
  const hasRequestId = method.input.fields.some(({ name }) => name === "request_id");
  if (!hasRequestId && !isBatch(method)) return sample;
  // A request id in the sample comes later, and the last one counts.
  const text = JSON.stringify(sample).replaceAll('"userId":', '"requestId":"once","userId":');
  return JSON.parse(text) as JsonValue;
}

/** A call over HTTP/2 in a protocol with gRPC's message frames. */
export function framedCall(
  path: string,
  fields: readonly Field[],
  body: Uint8Array,
  frameBytes = FRAME_BYTES,
): Buffer {
  const usual: Field[] = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "points.test"],
    ["te", "trailers"],
    ["grpc-timeout", "10S"],
  ];
  const given = new Set(fields.map(([name]) => name));
  const all = [...usual.filter(([name]) => !given.has(name)), ...fields];
  const block = headerBlock(all.toSorted(pseudo));
  const head = inFrames(block, FRAME_BYTES, (part, n, isLast) => {
    return frame(n === 0 ? TYPE.HEADERS : TYPE.CONTINUATION, isLast ? END_HEADERS : 0, 1, part);
  });
  const data = inFrames(body, frameBytes, (part) => frame(TYPE.DATA, 0, 1, part));
  return Buffer.concat([...head, ...data, frame(TYPE.DATA, END_STREAM, 1)]);
}

/** A request over HTTP/1.1, chunked if a chunk size is given. */
export function http1Call(
  path: string,
  lines: readonly string[],
  body: Uint8Array,
  chunkBytes?: number,
): Buffer {
  const size =
    chunkBytes === undefined ? `Content-Length: ${body.length}` : "Transfer-Encoding: chunked";
  const first = [`POST ${path} HTTP/1.1`, "Host: points.test", "Connection: close", size];
  const head = Buffer.from([...first, ...lines, "", ""].join("\r\n"), "latin1");
  if (chunkBytes === undefined) return Buffer.concat([head, body]);
  const chunks = inFrames(body, chunkBytes, (part) => {
    return Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, CRLF]);
  });
  return Buffer.concat([head, ...chunks, Buffer.from("0\r\n\r\n")]);
}

export function pathOf({ parent, name }: DescMethod): string {
  return `/${parent.typeName}/${name}`;
}

const FRAME_BYTES = 16_384;
const CRLF = Buffer.from("\r\n");

function inFrames(
  bytes: Uint8Array,
  size: number,
  make: (part: Uint8Array, index: number, isLast: boolean) => Buffer,
): Buffer[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, n) => {
    return make(bytes.subarray(n * size, (n + 1) * size), n, n === count - 1);
  });
}

/** Sorts pseudo-headers first. */
function pseudo([one]: Field, [other]: Field): number {
  return Number(other.startsWith(":")) - Number(one.startsWith(":"));
}

/** A way to send a message. */
type Way = {
  readonly name: string;
  readonly isHttp1: boolean;
  readonly takes: (method: DescMethod, heavy: Heavy) => boolean;
  readonly send: (method: DescMethod, heavy: Heavy) => Buffer;
};

function isBatch({ name }: DescMethod): boolean {
  return name === "ApplyBatch" || name === "Apply";
}

/** Compresses with the fastest level: the size hardly matters. */
function zipped(content: Buffer): Buffer {
  return gzipSync(content, { level: 1 });
}

function overHttp2(type: string, json: boolean, encoding?: "gzip"): Way {
  const isZipped = encoding !== undefined;
  return {
    name: isZipped ? `${type} with gzip` : type,
    isHttp1: false,
    takes: (_, { isJson }) => isJson === json,
    send(method, { content }) {
      const fields: Field[] = [["content-type", type]];
      if (isZipped) fields.push(["grpc-encoding", encoding]);
      // A watch ends only at its deadline.
      if (method.name === "WatchAccount") fields.push(["grpc-timeout", "50m"]);
      const body = envelope(isZipped ? zipped(content) : content, isZipped ? 1 : 0);
      return framedCall(pathOf(method), fields, body);
    },
  };
}

function overHttp1(type: string, json: boolean, encoding?: "gzip"): Way {
  return {
    name: `${type} over HTTP/1.1${encoding === undefined ? "" : " with gzip"}`,
    isHttp1: true,
    takes: ({ methodKind }, { isJson }) => methodKind === "unary" && isJson === json,
    send(method, { content }) {
      const lines = [`Content-Type: ${type}`];
      if (encoding !== undefined) lines.push(`Content-Encoding: ${encoding}`);
      return http1Call(pathOf(method), lines, encoding === undefined ? content : zipped(content));
    },
  };
}

// The fast path takes only the content type in lower case; Connect takes the rest.
const WAYS: readonly Way[] = [
  overHttp2("application/grpc", false),
  overHttp2("application/GRPC", false),
  overHttp2("application/grpc-web+proto", false),
  overHttp1("application/proto", false),
  overHttp2("application/grpc+json", true),
  overHttp1("application/json", true),
];

const COMPRESSED_WAYS: readonly Way[] = [
  overHttp2("application/grpc", false, "gzip"),
  overHttp1("application/proto", false, "gzip"),
  overHttp2("application/grpc+json", true, "gzip"),
  overHttp1("application/json", true, "gzip"),
];
