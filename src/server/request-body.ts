import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest, ServerHttp2Stream } from "node:http2";
import { Code, ConnectError, createContextKey } from "@connectrpc/connect";
import type { Lease } from "../auth/lease.ts";

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

/** What ends a body early, and what comes at its end. */
export type BodyEnds = {
  readonly lease: Lease;
  /** Fires at the deadline of a call of one message, and for other reasons. */
  readonly signal: AbortSignal;
  readonly isOneMessage: boolean;
  /** What it throws comes from the body. */
  readonly atEnd: () => Promise<void>;
};

/**
 * Has Connect get an error from the body of a request where it would wait for the rest of it: when
 * the caller is out, and at the deadline of a call of one message.
 */
export function endBodyEarly(request: Request, ends: BodyEnds): void {
  const { lease, signal, isOneMessage } = ends;
  const end = createEnd();
  whenAborted(lease.out, end.now);
  if (isOneMessage) {
    whenAborted(signal, (reason) => {
      if (isDeadline(reason)) end.now(reason);
    });
  }
  const chunksOf = request[Symbol.asyncIterator].bind(request);
  request[Symbol.asyncIterator] = () => untilEnd(chunksOf(), end, ends);
}

async function* untilEnd<T>(
  chunks: AsyncIterator<T>,
  end: ReturnType<typeof createEnd>,
  { isOneMessage, atEnd }: BodyEnds,
): AsyncGenerator<T> {
  try {
    for (;;) {
      const { done, value } = await end.before(chunks.next());
      if (done === true) return await atEnd();
      yield value;
    }
  } finally {
    // It may have to wait for its turn, and a stream's answers, which go on, would end with it.
    if (isOneMessage || !end.hasCome()) void chunks.return?.();
  }
}

/** An end that comes before what is waited for, or after. It keeps nothing of what is past. */
function createEnd() {
  let reason: unknown;
  let fail: (error: unknown) => void = () => {};
  return {
    now(error: unknown) {
      reason ??= error;
      fail(reason);
    },
    hasCome: () => reason !== undefined,
    before<T>(waitedFor: Promise<T>): Promise<T> {
      return new Promise((resolve, reject) => {
        if (reason !== undefined) reject(reason);
        fail = reject;
        waitedFor.then(resolve, reject);
      });
    },
  };
}

function whenAborted(signal: AbortSignal, then: (reason: unknown) => void): void {
  if (signal.aborted) then(signal.reason);
  else signal.addEventListener("abort", () => then(signal.reason), { once: true });
}

function isDeadline(reason: unknown): boolean {
  return reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
}
