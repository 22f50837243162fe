import type * as http from "node:http";
import * as http2 from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import type { connectNodeAdapter } from "@connectrpc/connect-node";
import { errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";

/** Answers what no RPC answers. Connect's types of Node's requests are a little wider than Node's. */
export type Fallback = NonNullable<Parameters<typeof connectNodeAdapter>[0]["fallback"]>;
export type NodeRequest = Parameters<Fallback>[0];
export type NodeResponse = Parameters<Fallback>[1];

/** Answers with a status and no body, or cuts the answer off if it has begun. */
export function refuseByStatus(
  response: http.ServerResponse | http2.Http2ServerResponse,
  status: number,
): void {
  const begun = response.headersSent;
  if (!begun) response.statusCode = status;
  if ("stream" in response) {
    const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = http2.constants;
    if (!begun) response.end();
    // Without a close, a client that still sends its request would keep the stream open.
    response.stream.close(begun ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_NO_ERROR);
  } else if (begun) response.destroy();
  else response.end();
}

/**
 * Answers with an error a request that reaches no RPC: in gRPC and gRPC-Web as Trailers-Only,
 * otherwise in Connect's JSON.
 *
 * @param status of HTTP, for Connect; in gRPC it is always 200
 */
export function refuseWithError(response: NodeResponse, status: number, error: ConnectError): void {
  const type = response.req.headers["content-type"] ?? "";
  if (/^application\/grpc/i.test(type)) {
    const trailers = Object.fromEntries(setTrailerStatus(new Headers(), error));
    respond(response, 200, { "content-type": type, ...trailers });
  } else {
    const headers = { "content-type": "application/json" };
    respond(response, status, headers, errorToJsonBytes(error, undefined));
  }
}

/** Answers with a line of text a request that is no call of this API. */
export function refuseWithText(
  response: NodeResponse,
  status: number,
  { text, headers }: { readonly text: string; readonly headers?: http.OutgoingHttpHeaders },
): void {
  const type = { "content-type": "text/plain; charset=utf-8" };
  respond(response, status, { ...type, ...headers }, Buffer.from(`${text}\n`));
}

function respond(
  response: NodeResponse,
  status: number,
  headers: http.OutgoingHttpHeaders,
  body?: Uint8Array,
): void {
  if (!("stream" in response)) {
    response.writeHead(status, headers).end(body);
    return;
  }
  // Node's response would send an empty DATA frame, and gRPC wants none there.
  const endStream = body === undefined || response.req.method === "HEAD";
  response.stream.respond({ ":status": status, ...headers }, { endStream });
  if (!endStream) response.stream.end(body);
  response.stream.close(http2.constants.NGHTTP2_NO_ERROR);
}
