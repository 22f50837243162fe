import type * as http from "node:http";
import type * as http2 from "node:http2";
import { refuseByStatus } from "./http-refusal.ts";

/** Answers one request of HTTP/1.1 or HTTP/2. */
export type Handler = (
  request: http.IncomingMessage | http2.Http2ServerRequest,
  response: http.ServerResponse | http2.Http2ServerResponse,
) => void;

/** Answers a stream of HTTP/2 by its headers, or returns false and leaves the stream alone. */
export type TryHandle = (
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
) => boolean;

/**
 * Answers 400 where a handler throws. Connect's adapter throws for an authority that makes no URL:
 * uncaught, that one request would end the process.
 */
export function catching(handler: Handler): Handler {
  return (request, response) => {
    try {
      handler(request, response);
    } catch {
      refuseByStatus(response, 400);
    }
  };
}
