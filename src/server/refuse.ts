import { constants } from "node:http2";
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
