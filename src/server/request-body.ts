import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest, ServerHttp2Stream } from "node:http2";
import { Code, ConnectError, createContextKey } from "@connectrpc/connect";

// A body that is not there at its call's deadline is waited for no longer, and the call is answered
// then: nothing of it was applied.

/** What precedes a message of gRPC: a flag, and four bytes of its length. */
export const HEAD_BYTES = 5;

/**
 * Gives the body of a unary call at its end, or as much of it as shows what is wrong: two messages
 * are too many. Gives an error if the deadline comes first.
 *
 * @param maxBytes of the message
 * @param deadline as `performance.now()` counts
 */
export function readBody(
  stream: ServerHttp2Stream,
  maxBytes: number,
  deadline: number,
  done: (body: Buffer | ConnectError) => void,
): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;
  // Nearly all bodies come in one turn with their heads: a timer costs ten times as much as this.
  const soon = setImmediate(() => {
    if (stream.destroyed) return;
    timer = setTimeout(late, deadline - performance.now());
    stream.once("close", stopWaiting);
  });
  const stopWaiting = () => {
    clearImmediate(soon);
    clearTimeout(timer);
  };
  const give = (body: Buffer | ConnectError) => {
    stopWaiting();
    // What comes after flows to nobody.
    stream.off("data", onData).off("end", finish);
    done(body);
  };
  const finish = () => give(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
  const late = () => give(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  const onData = (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    const announced = chunks.length === 1 && bytes >= HEAD_BYTES ? chunk.readUInt32BE(1) : 0;
    if (announced > maxBytes || bytes > 2 * (maxBytes + HEAD_BYTES)) finish();
  };
  stream.on("data", onData).on("end", finish);
  if (deadline <= performance.now()) late();
}

type Request = IncomingMessage | Http2ServerRequest;

/** The request of a call that Connect answers. */
export const requestKey = createContextKey<Request | undefined>(undefined);

/**
 * Has Connect get the deadline's error from the body of a request, if the deadline passes before
 * the body's end. By itself it would wait.
 *
 * @param signal of the call: its deadline is one of the reasons for which it fires
 */
export function endBodyAtDeadline(request: Request, signal: AbortSignal): void {
  const { promise: late, reject } = Promise.withResolvers<never>();
  late.catch(() => {});
  const onAbort = () => {
    if (isDeadline(signal.reason)) reject(signal.reason);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  const chunksOf = request[Symbol.asyncIterator].bind(request);
  request[Symbol.asyncIterator] = () => eitherOf(chunksOf(), late);
}

async function* eitherOf<T>(chunks: AsyncIterator<T>, late: Promise<never>): AsyncGenerator<T> {
  try {
    for (;;) {
      const { done, value } = await Promise.race([chunks.next(), late]);
      if (done === true) return;
      yield value;
    }
  } finally {
    // It may have to wait for its turn.
    void chunks.return?.();
  }
}

function isDeadline(reason: unknown): boolean {
  return reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
}
