import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { isNotApplied, downgradeNotApplied } from "./outcome.ts";
import { refusalOf } from "./refusal.ts";
import { rememberRequestIds, requestIdsOf, withRequestIds } from "./request-ids.ts";
import { isUnanswered } from "./unanswered.ts";

export type RetryLimits = {
  /** Attempts of a call, the first one included. */
  readonly attemptsMax: number;
  /** The longest wait before the first retry. It doubles with each retry. */
  readonly backoffMs: number;
  /** The bound of that growth. */
  readonly backoffMaxMs: number;
  /** The longest wait that a server may ask for, in a call without `timeoutMs`. */
  readonly askedWaitMaxMs: number;
};

/** As in `proto/points/v1/service_config.json`, which the clients of other languages follow. */
export const DEFAULTS: RetryLimits = {
  attemptsMax: 5,
  backoffMs: 100,
  backoffMaxMs: 2_000,
  askedWaitMaxMs: 30_000,
};

/**
 * Retries with exponential backoff and full jitter: a transport that repeats a unary call if no
 * server answers, or if one refuses it for now (UNAVAILABLE, OVERLOADED, RATE_LIMITED). A retry
 * sends the same request with the same `request_id`. The wait before it is random; its bound doubles.
 * A server's `RetryInfo` adds to the wait; `grpc-retry-pushback-ms` replaces it, or forbids the
 * retry.
 *
 * `timeoutMs` covers all attempts together, and is cut to 99,999,999 (27 hours). A wait that would
 * pass it does not begin; the last error is thrown at once. Without `timeoutMs` the same holds for a
 * wait above `askedWaitMaxMs` (30 s) that a server asks for.
 *
 * @throws {ConnectError} an error that is true of all attempts: NOT_APPLIED means that none of them
 * was applied
 */
export function withRetries(transport: Transport, limits: Partial<RetryLimits> = {}): Transport {
  const retryLimits = { ...DEFAULTS, ...limits };

  const unary: Transport["unary"] = async (method, signal, timeoutMs, header, input, values) => {
    const request = withRequestIds(method.input, input);
    let leftMs = bounded(timeoutMs);
    const endMs = isLimit(leftMs) ? performance.now() + leftMs : undefined;
    let mayBeApplied = false;
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await transport.unary(method, signal, leftMs, header, request, values);
        if (mayBeApplied) downgradeNotApplied(answer.message);
        rememberRequestIds(answer.message, request);
        return answer;
      } catch (error) {
        rememberRequestIds(error, request);
        if (!(error instanceof ConnectError)) throw error;
        if (mayBeApplied) downgradeNotApplied(error);
        mayBeApplied = requestIdsOf(error).length > 0 && !isNotApplied(error);
        const waitMs = waitAfter({ error, attempt, endMs }, retryLimits);
        if (waitMs === undefined || signal?.aborted === true) throw error;
        await sleep(waitMs, signal);
        // At least 1: Connect reads 0 as no limit.
        if (endMs !== undefined) leftMs = bounded(Math.max(1, endMs - performance.now()));
      }
    }
  };

  const stream: Transport["stream"] = (method, signal, timeoutMs, header, input, values) =>
    transport.stream(method, signal, bounded(timeoutMs), header, input, values);
  return { unary, stream };
}

// gRPC sends a timeout in eight digits. A timer of 2^31 ms or more fires at once.
const TIMEOUT_MAX_MS = 99_999_999;
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Makes a timeout fit gRPC: a whole number of at most eight digits. */
function bounded(timeoutMs: number | undefined): number | undefined {
  return isLimit(timeoutMs) ? Math.min(Math.ceil(timeoutMs), TIMEOUT_MAX_MS) : timeoutMs;
}

function isLimit(timeoutMs: number | undefined): timeoutMs is number {
  return timeoutMs !== undefined && timeoutMs > 0;
}

type FailedAttempt = {
  readonly error: ConnectError;
  /** From 1. */
  readonly attempt: number;
  /** The deadline of the call, in the time of `performance.now()`; undefined: none. */
  readonly endMs: number | undefined;
};

/** The wait before the next attempt in milliseconds; undefined: do not retry. */
export function waitAfter(
  { error, attempt, endMs }: FailedAttempt,
  { attemptsMax, backoffMs, backoffMaxMs, askedWaitMaxMs }: RetryLimits,
): number | undefined {
  if (attempt >= attemptsMax || !isTransient(error)) return undefined;
  const backoff = Math.random() * Math.min(backoffMs * 2 ** (attempt - 1), backoffMaxMs);
  const pushback = error.metadata.get("grpc-retry-pushback-ms");
  // Anything but digits, such as -1, forbids a retry.
  if (pushback !== null && !/^\d+$/.test(pushback)) return undefined;
  const askedMs = pushback === null ? retryInfoMs(error) : Number(pushback);
  const waitMs = pushback === null ? askedMs + backoff : askedMs;
  const isTooLong =
    endMs === undefined ? askedMs > askedWaitMaxMs : performance.now() + waitMs >= endMs;
  return isTooLong ? undefined : waitMs;
}

/** Whether a retry of the same request may soon succeed. */
function isTransient(error: ConnectError): boolean {
  if (error.code === Code.Unavailable || isUnanswered(error)) return true;
  const reason = refusalOf(error)?.reason;
  return reason === "OVERLOADED" || reason === "RATE_LIMITED";
}

function retryInfoMs(error: ConnectError): number {
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return delay === undefined ? 0 : durationMs(delay);
}

/** Waits; an abort ends the wait early, and the next attempt then throws the signal's reason. */
export function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, Math.min(ms, TIMER_MAX_MS));
    signal?.addEventListener("abort", done);
    if (signal?.aborted === true) done();
  });
}
