import { constants, type OutgoingHttpHeaders } from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import type { connectNodeAdapter } from "@connectrpc/connect-node";
import { errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import type { Handler } from "./listen.ts";

/**
 * Connect's adapter throws at once for an authority that makes no URL. Uncaught, that one request
 * would end the process.
 */
export function guarded(handler: Handler): Handler {
  return (req, res) => {
    try {
      handler(req, res);
    } catch {
      refuse(res, 400);
    }
  };
}

/** Answers with a status and no more, or cuts the answer off if it had begun. */
export function refuse(res: Parameters<Handler>[1], status: number) {
  const begun = res.headersSent;
  if (!begun) res.statusCode = status;
  if ("stream" in res) {
    const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants;
    if (!begun) res.end();
    // Without a close, a client that still sends its request would keep the stream open.
    res.stream.close(begun ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_NO_ERROR);
  } else if (begun) res.destroy();
  else res.end();
}

/** As Connect has it, whose types of Node's requests are a little wider. */
export type Refusal = NonNullable<Parameters<typeof connectNodeAdapter>[0]["fallback"]>;
type Request = Parameters<Refusal>[0];
type Response = Parameters<Refusal>[1];

/**
 * Answers a request that never gets to an RPC with an error: in gRPC and gRPC-Web as Trailers-Only,
 * otherwise in Connect's JSON.
 *
 * @param status of HTTP, where the protocol does not say that it is 200
 */
export function refuseWith(error: ConnectError, status: number, req: Request, res: Response) {
  const type = req.headers["content-type"] ?? "";
  if (!/^application\/grpc/i.test(type)) {
    respond(
      res,
      status,
      { "content-type": "application/json" },
      errorToJsonBytes(error, undefined),
    );
    return;
  }
  const trailers = Object.fromEntries(setTrailerStatus(new Headers(), error));
  respond(res, 200, { "content-type": type, ...trailers });
}

/** Answers what is not even a call of ours with a line of text. */
export function refuseInWords(
  res: Response,
  status: number,
  text: string,
  headers: OutgoingHttpHeaders,
): true {
  const type = { "content-type": "text/plain; charset=utf-8" };
  respond(res, status, { ...type, ...headers }, Buffer.from(`${text}\n`));
  return true;
}

function respond(res: Response, status: number, headers: OutgoingHttpHeaders, body?: Uint8Array) {
  if (!("stream" in res)) {
    res.writeHead(status, headers).end(body);
    return;
  }
  // A response of Node's would send an empty DATA after it, and gRPC wants nothing there.
  const endStream = body === undefined || res.req.method === "HEAD";
  res.stream.respond({ ":status": status, ...headers }, { endStream });
  if (!endStream) res.stream.end(body);
  res.stream.close(constants.NGHTTP2_NO_ERROR);
}
