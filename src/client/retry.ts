import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { isNotApplied, speakForAttempts } from "./outcome.ts";
import { refusalOf } from "./refusal.ts";
import { rememberRequestIds, requestIdsOf, withRequestIds } from "./request-ids.ts";
import { isUnanswered } from "./unanswered.ts";

export type RetryLimits = {
  /** How often a call is tried, the first time included. */
  readonly attemptsMax: number;
  /** The longest wait before the first repeat; it doubles with each. */
  readonly backoffMs: number;
  /** What that wait grows to at most. */
  readonly backoffMaxMs: number;
  /** The longest wait that a server may ask for in a call without `timeoutMs`. */
  readonly askedWaitMaxMs: number;
};

/** As in `proto/points/v1/service_config.json`, which other languages' clients follow. */
const retryLimits: RetryLimits = {
  attemptsMax: 5,
  backoffMs: 100,
  backoffMaxMs: 2_000,
  askedWaitMaxMs: 30_000,
};

/**
 * A transport whose unary calls are repeated when no server answered them, or one that can't now:
 * UNAVAILABLE, OVERLOADED and RATE_LIMITED. A repeat is the same request with the same
 * `request_id`, after a random wait whose bound doubles. What a server's `RetryInfo` asks for is
 * waited on top; `grpc-retry-pushback-ms` sets the wait itself, or forbids the repeat.
 *
 * `timeoutMs` is for all attempts together; more than 99,999,999 (27 hours) is cut to that. A wait
 * that would pass it isn't begun: the last error is thrown. Without `timeoutMs` that goes for a wait
 * of more than 30 s (`askedWaitMaxMs`) that a server asks for.
 *
 * What is thrown is true of all attempts: NOT_APPLIED means that none was applied.
 */
export function withRetries(transport: Transport, limits: Partial<RetryLimits> = {}): Transport {
  const inForce = { ...retryLimits, ...limits };

  const unary: Transport["unary"] = async (method, signal, timeoutMs, header, input, values) => {
    const request = withRequestIds(method.input, input);
    let leftMs = bounded(timeoutMs);
    const endMs = isLimit(leftMs) ? performance.now() + leftMs : undefined;
    let mayBeApplied = false;
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await transport.unary(method, signal, leftMs, header, request, values);
        if (mayBeApplied) speakForAttempts(answer.message);
        rememberRequestIds(answer.message, request);
        return answer;
      } catch (error) {
        rememberRequestIds(error, request);
        if (!(error instanceof ConnectError)) throw error;
        if (mayBeApplied) speakForAttempts(error);
        mayBeApplied = requestIdsOf(error).length > 0 && !isNotApplied(error);
        const waitMs = waitAfter({ error, attempt, endMs }, inForce);
        if (waitMs === undefined || signal?.aborted === true) throw error;
        await sleep(waitMs, signal);
        // Not 0, which Connect reads as no limit.
        if (endMs !== undefined) leftMs = bounded(Math.max(1, endMs - performance.now()));
      }
    }
  };

  const stream: Transport["stream"] = (method, signal, timeoutMs, header, input, values) =>
    transport.stream(method, signal, bounded(timeoutMs), header, input, values);
  return { unary, stream };
}

// gRPC sends a timeout in eight digits. A timer of 2^31 ms would be over at once.
const TIMEOUT_MAX_MS = 99_999_999;
const TIMER_MAX_MS = 2 ** 31 - 1;

/** A timeout as it can be sent: whole, and not too long. */
function bounded(timeoutMs: number | undefined): number | undefined {
  return isLimit(timeoutMs) ? Math.min(Math.ceil(timeoutMs), TIMEOUT_MAX_MS) : timeoutMs;
}

function isLimit(timeoutMs: number | undefined): timeoutMs is number {
  return timeoutMs !== undefined && timeoutMs > 0;
}

/** @param endMs of the call, as `performance.now()` counts; undefined: it has none */
type Failed = {
  readonly error: ConnectError;
  readonly attempt: number;
  readonly endMs: number | undefined;
};

/** How long to wait before the next attempt; undefined: there is none. */
function waitAfter(
  { error, attempt, endMs }: Failed,
  { attemptsMax, backoffMs, backoffMaxMs, askedWaitMaxMs }: RetryLimits,
): number | undefined {
  if (attempt >= attemptsMax || !isTransient(error)) return undefined;
  const backoff = Math.random() * Math.min(backoffMs * 2 ** (attempt - 1), backoffMaxMs);
  const pushback = error.metadata.get("grpc-retry-pushback-ms");
  // What is no number of milliseconds, such as -1, forbids it.
  if (pushback !== null && !/^\d+$/.test(pushback)) return undefined;
  const askedMs = pushback === null ? retryInfoMs(error) : Number(pushback);
  const waitMs = pushback === null ? askedMs + backoff : askedMs;
  const isTooLong =
    endMs === undefined ? askedMs > askedWaitMaxMs : performance.now() + waitMs >= endMs;
  return isTooLong ? undefined : waitMs;
}

/** Whether the same request may be answered soon. */
function isTransient(error: ConnectError): boolean {
  if (error.code === Code.Unavailable || isUnanswered(error)) return true;
  const reason = refusalOf(error)?.reason;
  return reason === "OVERLOADED" || reason === "RATE_LIMITED";
}

function retryInfoMs(error: ConnectError): number {
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return delay === undefined ? 0 : durationMs(delay);
}

/** Ends early when the signal is aborted: the next attempt then throws what it is aborted with. */
function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
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
