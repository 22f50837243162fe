import { createContextKey } from "@connectrpc/connect";
import { HEAD_BYTES, wholeMessages } from "./grpc-frame.ts";
import type { NodeRequest } from "./http-refusal.ts";
import { Pieces } from "./pieces.ts";

/** Where Connect's context keeps Node's request of a call. */
export const requestKey = createContextKey<NodeRequest | undefined>(undefined);

/**
 * Makes Connect read a body in whole messages, or all at once where the protocol has no frames.
 * Connect looks at all pieces of a message each time another piece arrives: a message in single
 * bytes would take time quadratic in its size.
 *
 * @param maxBytes of a message: a larger one is handed on at once, to be refused
 */
export function gatherBody(request: NodeRequest, maxBytes: number): void {
  const isFramed = FRAMED.test(request.headers["content-type"] ?? "");
  const chunksOf = request[Symbol.asyncIterator].bind(request);
  request[Symbol.asyncIterator] = () => gathered(chunksOf(), maxBytes, isFramed);
}

const FRAMED = /^application\/(grpc|connect\+)/i;

async function* gathered(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
  isFramed: boolean,
): AsyncGenerator<Buffer, undefined> {
  const pieces = new Pieces();
  let wanted = isFramed ? HEAD_BYTES : maxBytes + 1;
  for await (const chunk of chunks) {
    pieces.add(chunk);
    if (pieces.length < wanted) continue;
    if (!isFramed) {
      yield pieces.take(pieces.length);
      continue;
    }
    const whole = wholeMessages(pieces.bytes, maxBytes);
    wanted = whole.wanted;
    if (whole.end > 0) yield pieces.take(whole.end);
  }
  if (pieces.length > 0) yield pieces.bytes;
}
