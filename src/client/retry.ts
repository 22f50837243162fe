import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { withRequestIds } from "./request-ids.ts";

export type RetryLimits = {
  /** How often a call is tried, the first time included. */
  readonly attemptsMax: number;
  /** The longest wait before the first repeat; it doubles with each. */
  readonly backoffMs: number;
  /** What that wait grows to at most. */
  readonly backoffMaxMs: number;
};

/** As in `proto/points/v1/service_config.json`, which other languages' clients follow. */
const retryLimits: RetryLimits = { attemptsMax: 5, backoffMs: 100, backoffMaxMs: 2_000 };

/**
 * A transport whose unary calls are repeated when no server answered them, with the same request
 * and so the same `request_id`, after a random wait that doubles at its longest. A server's
 * `RetryInfo` is waited for on top.
 *
 * `timeoutMs` is for all attempts together. A wait that would pass it isn't begun: the last error
 * is thrown.
 */
export function withRetries(transport: Transport, limits: Partial<RetryLimits> = {}): Transport {
  const { attemptsMax, backoffMs, backoffMaxMs } = { ...retryLimits, ...limits };

  const unary: Transport["unary"] = async (method, signal, timeoutMs, header, input, values) => {
    const request = withRequestIds(method.input, input);
    const deadlineMs = performance.now() + (isLimit(timeoutMs) ? timeoutMs : Infinity);
    let leftMs = timeoutMs;
    for (let attempt = 1; ; attempt++) {
      try {
        return await transport.unary(method, signal, leftMs, header, request, values);
      } catch (error) {
        const jitterMs = Math.random() * Math.min(backoffMs * 2 ** (attempt - 1), backoffMaxMs);
        const waitMs = askedWaitMs(error) + jitterMs;
        const isLast = attempt >= attemptsMax || performance.now() + waitMs >= deadlineMs;
        if (isLast || !isUnanswered(error)) throw error;
        await sleep(waitMs, signal);
        // Whole, as gRPC sends it, and not 0, which Connect reads as no limit.
        if (isLimit(timeoutMs)) leftMs = Math.max(1, Math.ceil(deadlineMs - performance.now()));
      }
    }
  };

  return { unary, stream: transport.stream.bind(transport) };
}

function isLimit(timeoutMs: number | undefined): timeoutMs is number {
  return timeoutMs !== undefined && timeoutMs > 0;
}

/**
 * Whether the server is away, or says itself that it can't answer now. A connection that broke is
 * ABORTED in Node, and what fetch throws is a TypeError; neither comes with details, as each error
 * of a server does.
 */
function isUnanswered(error: unknown): boolean {
  if (!(error instanceof ConnectError)) return false;
  if (error.code === Code.Unavailable) return true;
  if (error.details.length > 0) return false;
  return error.code === Code.Aborted || error.cause instanceof TypeError;
}

function askedWaitMs(error: unknown): number {
  if (!(error instanceof ConnectError)) return 0;
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
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
    if (signal?.aborted === true) done();
  });
}
