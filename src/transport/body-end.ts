import { Code, ConnectError } from "@connectrpc/connect";
import type { Lease } from "../auth/lease.ts";
import type { NodeRequest } from "./http-refusal.ts";

export type BodyEnds = {
  readonly lease: Lease;
  /** Fires at the call's deadline, and for other reasons. */
  readonly signal: AbortSignal;
  /** Runs at the end of the body; an error that it throws comes from the body. */
  readonly atEnd: () => Promise<void>;
};

/**
 * Ends the body of a call of one message with an error when the caller's lease ends, and at the
 * deadline. Connect would wait for the rest of the body; so the call is answered then, and nothing
 * of it was applied.
 */
export function endBodyEarly(request: NodeRequest, { lease, signal, atEnd }: BodyEnds): void {
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
    // Not awaited: it may have to wait for its turn.
    void chunks.return?.();
  }
}

/**
 * Ends a stream of requests with an error when the caller's lease ends. Connect would wait for the
 * next request. The HTTP request stays open: what came before is still answered.
 */
export function endStreamEarly(request: NodeRequest, { out }: Lease): void {
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

/** An end that rejects the promise that is awaited, and each later one. It keeps no past promise. */
function createEnd() {
  let reason: unknown;
  let fail: (error: unknown) => void = () => {};
  return {
    now(error: unknown) {
      reason ??= error;
      fail(reason);
    },
    before<T>(awaited: Promise<T>): Promise<T> {
      return new Promise((resolve, reject) => {
        if (reason !== undefined) reject(reason);
        fail = reject;
        awaited.then(resolve, reject);
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
