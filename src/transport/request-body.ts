import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest, ServerHttp2Stream } from "node:http2";
import { Code, ConnectError, createContextKey } from "@connectrpc/connect";
import type { Lease } from "../auth/lease.ts";
import { Pieces } from "./pieces.ts";

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
  const pieces = new Pieces();
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
  const finish = () => give(pieces.bytes);
  const late = () => give(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  const onData = (chunk: Buffer) => {
    pieces.add(chunk);
    const { length } = pieces;
    const announced = length >= HEAD_BYTES ? pieces.bytes.readUInt32BE(1) : 0;
    if (announced > maxBytes || length > 2 * (maxBytes + HEAD_BYTES)) finish();
  };
  stream.on("data", onData).on("end", finish);
  if (deadline <= performance.now()) late();
}

type Request = IncomingMessage | Http2ServerRequest;

/**
 * Has Connect get whole messages, or all of a body that has no frames. It looks at all pieces of a
 * message each time another comes, so that a message of single bytes would take its square of time.
 *
 * @param maxBytes of a message: what is larger is handed on at once, to be refused
 */
export function gatherBody(request: Request, maxBytes: number): void {
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

/** Where the last whole message ends, and how many bytes from there show more than is known yet. */
function wholeMessages(bytes: Buffer, maxBytes: number): { end: number; wanted: number } {
  let end = 0;
  while (bytes.length >= end + HEAD_BYTES) {
    const size = bytes.readUInt32BE(end + 1);
    if (size > maxBytes) return { end: bytes.length, wanted: 0 };
    if (bytes.length < end + HEAD_BYTES + size) return { end, wanted: HEAD_BYTES + size };
    end += HEAD_BYTES + size;
  }
  return { end, wanted: HEAD_BYTES };
}

/** The request of a call that Connect answers. */
export const requestKey = createContextKey<Request | undefined>(undefined);

/** What ends a body early, and what comes at its end. */
export type BodyEnds = {
  readonly lease: Lease;
  /** Fires at the call's deadline, and for other reasons. */
  readonly signal: AbortSignal;
  /** What it throws comes from the body. */
  readonly atEnd: () => Promise<void>;
};

/**
 * Has Connect get an error from the body of a call of one message, where it would wait for the rest
 * of it: when the caller is out, and at the deadline.
 */
export function endBodyEarly(request: Request, { lease, signal, atEnd }: BodyEnds): void {
  const end = createEnd();
  whenAborted(lease.out, end.now);
  whenAborted(signal, (reason) => {
    if (isDeadline(reason)) end.now(reason);
  });
  const chunksOf = request[Symbol.asyncIterator].bind(request);
  request[Symbol.asyncIterator] = () => untilEnd(chunksOf(), end, atEnd);
}

async function* untilEnd<T>(
  chunks: AsyncIterator<T>,
  end: End,
  atEnd: () => Promise<void>,
): AsyncGenerator<T> {
  try {
    for (;;) {
      const { done, value } = await end.before(chunks.next());
      if (done === true) return await atEnd();
      yield value;
    }
  } finally {
    // It may have to wait for its turn.
    void chunks.return?.();
  }
}

/**
 * Has Connect get an error from the body of a stream of requests, where it would wait for the next,
 * when the caller is out. The request stays open: what was sent before is still answered.
 */
export function endStreamEarly(request: Request, { out }: Lease): void {
  const end = createEnd();
  whenAborted(out, end.now);
  const chunksOf = request[Symbol.asyncIterator].bind(request);
  request[Symbol.asyncIterator] = () => {
    const chunks = chunksOf();
    const next = chunks.next.bind(chunks);
    return Object.assign(chunks, { next: () => end.before(next()) });
  };
}

type End = ReturnType<typeof createEnd>;

/** An end that comes before what is waited for, or after. It keeps nothing of what is past. */
function createEnd() {
  let reason: unknown;
  let fail: (error: unknown) => void = () => {};
  return {
    now(error: unknown) {
      reason ??= error;
      fail(reason);
    },
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
