import { create, type DescMethodUnary } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport, type UnaryResponse } from "@connectrpc/connect";
import { type Operation, OperationSchema } from "../../gen/points/v1/points_pb.ts";
import { downgradeNotApplied, isNotApplied } from "./outcome.ts";

/** One call that waits for a batch, and then for its answer. It settles once. */
export type BatchedCall = {
  readonly method: DescMethodUnary;
  readonly operation: Operation;
  readonly signal: AbortSignal | undefined;
  /** Without one the server sets the deadline. */
  readonly hasDeadline: boolean;
  /** The estimated size of the operation. Non-ASCII text has up to three times as many. */
  readonly bytes: number;
  /** What is left until the deadline in whole milliseconds, at least 1; undefined: no deadline. */
  leftMs(): number | undefined;
  isSettled(): boolean;
  /** Calls the listener once, when the call settles. */
  onSettled(listener: () => void): void;
  answer(response: UnaryResponse): void;
  fail(error: unknown): void;
  /** Notes the error of an attempt that is repeated: later errors are then true of it too. */
  noteAttempt(error: unknown): void;
};

/** The arguments of `Transport.unary`. */
export type UnaryArguments = Parameters<Transport["unary"]>;

/** How the caller learns the result. */
export type Settle = {
  readonly resolve: (response: UnaryResponse) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * Makes a call, and starts its deadline and its abort signal: either of them settles it at once,
 * whatever becomes of its batch.
 */
export function createBatchedCall(
  kind: OperationKind,
  [method, signal, timeoutMs, , input]: UnaryArguments,
  { resolve, reject }: Settle,
): BatchedCall {
  const value = create(method.input, input);
  const operation = create(OperationSchema);
  operation.operation = { case: kind, value } as Operation["operation"];
  const endMs = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  let isSettled = false;
  let mayBeApplied = false;
  let onSettled: (() => void) | undefined;

  function settle(): boolean {
    if (isSettled) return false;
    isSettled = true;
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
    onSettled?.();
    return true;
  }
  function fail(error: unknown): void {
    if (!settle()) return;
    if (mayBeApplied && error instanceof ConnectError) downgradeNotApplied(error);
    reject(error);
  }
  // Both as Connect's transports fail a call.
  const expire = () => fail(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  const abort = () => fail(ConnectError.from(signal?.reason, Code.Canceled));
  const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs);
  signal?.addEventListener("abort", abort);
  if (signal?.aborted === true) abort();
  return {
    method,
    operation,
    signal,
    hasDeadline: endMs !== undefined,
    bytes: bytesOf(value),
    leftMs: () => endMs && Math.max(1, Math.ceil(endMs - performance.now())),
    isSettled: () => isSettled,
    onSettled(listener) {
      onSettled = listener;
    },
    answer(response) {
      if (settle()) resolve(response);
    },
    fail,
    noteAttempt(error) {
      mayBeApplied ||= !(error instanceof ConnectError && isNotApplied(error));
    },
  };
}

/** A mutation that ApplyBatch can carry. */
export type OperationKind = NonNullable<Operation["operation"]["case"]>;

/** An estimate: protobuf-es cannot tell the size of a message without encoding it. */
function bytesOf(value: unknown): number {
  if (typeof value === "string") return value.length + 2;
  if (value instanceof Uint8Array) return value.length;
  if (typeof value !== "object" || value === null) return 8;
  let bytes = 0;
  for (const [name, field] of Object.entries(value)) bytes += name.length + bytesOf(field);
  return bytes;
}
