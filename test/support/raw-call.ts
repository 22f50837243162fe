import { once } from "node:events";
import * as http2 from "node:http2";
import { ConnectError } from "@connectrpc/connect";
import { errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { trailerParse } from "@connectrpc/connect/protocol-grpc-web";

// Calls with raw bytes as their body, which no generated client would send.

/** The body of a call, and its headers beside the content type. */
export type RawCall = {
  readonly method: string;
  readonly body: Uint8Array<ArrayBuffer> | string;
  readonly headers?: Record<string, string>;
};

/** The error of a gRPC call over HTTP/2 whose body is these bytes; undefined if it succeeded. */
export async function callGrpc(baseUrl: string, call: RawCall): Promise<ConnectError | undefined> {
  const session = http2.connect(baseUrl);
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": `/${SERVICE}/${call.method}`,
      "content-type": "application/grpc+proto",
      te: "trailers",
      ...call.headers,
    });
    const found = new Headers();
    const collect = (headers: http2.IncomingHttpHeaders) => {
      for (const [name, value] of Object.entries(headers)) {
        if (!name.startsWith(":")) found.set(name, String(value));
      }
    };
    stream.on("response", collect).on("trailers", collect).resume();
    stream.end(call.body);
    await once(stream, "end");
    if (!found.has("grpc-status")) throw new Error("the answer has no grpc-status");
    return findTrailerError(found);
  } finally {
    session.destroy();
  }
}

/** The error of a gRPC-Web call over HTTP/1.1 whose body is these bytes. */
export async function callGrpcWeb(
  baseUrl: string,
  call: RawCall,
): Promise<ConnectError | undefined> {
  const response = await post(baseUrl, call, "application/grpc-web+proto");
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (response.headers.has("grpc-status")) return findTrailerError(response.headers);
  for (let at = 0; at + 5 <= bytes.length;) {
    const size = new DataView(bytes.buffer).getUint32(at + 1);
    const content = bytes.subarray(at + 5, at + 5 + size);
    if (bytes[at] === TRAILER_FLAG) return findTrailerError(trailerParse(content));
    at += 5 + size;
  }
  throw new Error("the answer has no trailers");
}

/** The error of a Connect call over HTTP/1.1 whose body is these bytes of protobuf. */
export function callConnectProto(
  baseUrl: string,
  call: RawCall,
): Promise<ConnectError | undefined> {
  return callConnect(baseUrl, call, "application/proto");
}

/** The error of a call of JSON over HTTP/1.1 whose body is this text. */
export function callJson(baseUrl: string, call: RawCall): Promise<ConnectError | undefined> {
  return callConnect(baseUrl, call, "application/json");
}

/** One message in the frame of gRPC and gRPC-Web (length-prefixed message). */
export function envelope(message: Uint8Array, flags = 0): Uint8Array<ArrayBuffer> {
  const framed = new Uint8Array(5 + message.length);
  framed[0] = flags;
  new DataView(framed.buffer).setUint32(1, message.length);
  framed.set(message, 5);
  return framed;
}

const SERVICE = "points.v1.PointsService";
const TRAILER_FLAG = 0x80;

async function callConnect(
  baseUrl: string,
  call: RawCall,
  contentType: string,
): Promise<ConnectError | undefined> {
  const response = await post(baseUrl, call, contentType);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (response.ok) return undefined;
  const fallback = new ConnectError(`HTTP ${response.status}, without an error of Connect`);
  return errorFromJsonBytes(bytes, undefined, fallback);
}

function post(baseUrl: string, { method, body, headers }: RawCall, contentType: string) {
  return fetch(`${baseUrl}/${SERVICE}/${method}`, {
    method: "POST",
    headers: { "content-type": contentType, ...headers },
    body,
  });
}
