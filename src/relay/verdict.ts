/** What becomes of an event after an attempt. */
export type Verdict =
  | { readonly kind: "delivered" }
  /** The target wants no more events at all. */
  | { readonly kind: "gone" }
  /** The target has read the event, and will not take it, however often it comes. */
  | { readonly kind: "refused" }
  /** @param askedMs how long the target asks to be left alone; 0: it does not ask */
  | { readonly kind: "failed"; readonly askedMs: number };

/** How often and how long an event is tried. All in milliseconds. */
export type RetryLimits = {
  /** The longest wait after the first attempt. It doubles with each. */
  readonly backoffMs: number;
  /** The bound of that growth. */
  readonly backoffMaxMs: number;
  /** The longest wait that a target may ask for. */
  readonly askedMaxMs: number;
  /** How long after an event's turn has come its last attempt begins. */
  readonly giveUpMs: number;
};

/** As Standard Webhooks recommends, but for its first wait: most targets are away for seconds. */
export const RETRY_LIMITS: RetryLimits = {
  backoffMs: 1_000,
  backoffMaxMs: 5 * 60_000,
  askedMaxMs: 60 * 60_000,
  giveUpMs: 3 * 24 * 60 * 60_000,
};

/**
 * Reads a target's answer. Redirects are failures, and so is 4xx but for those that are about the
 * event: whoever has set a wrong path or secret has time to mend it.
 *
 * @param retryAfter the header Retry-After: seconds, or a date (RFC 9110, 10.2.3)
 * @param nowMs since 1970
 */
export function verdictOn(status: number, retryAfter: string | null, nowMs: number): Verdict {
  if (status >= 200 && status < 300) return { kind: "delivered" };
  if (status === 410) return { kind: "gone" };
  if (REFUSALS.has(status)) return { kind: "refused" };
  return { kind: "failed", askedMs: readRetryAfter(retryAfter, nowMs) };
}

/** Bad Request, Content Too Large, Unprocessable Content. */
const REFUSALS: ReadonlySet<number> = new Set([400, 413, 422]);

/**
 * How long to wait after a failed attempt: exponential backoff with jitter, at least half of the
 * bound, and not before the instant that the target asked for.
 *
 * @param attempt from 1
 * @param random from 0 to 1
 */
export function waitMs(
  { attempt, askedMs, random }: { attempt: number; askedMs: number; random: number },
  limits: RetryLimits,
): number {
  const bound = Math.min(limits.backoffMs * 2 ** (attempt - 1), limits.backoffMaxMs);
  return Math.max((bound * (1 + random)) / 2, Math.min(askedMs, limits.askedMaxMs));
}

function readRetryAfter(retryAfter: string | null, nowMs: number): number {
  if (retryAfter === null) return 0;
  const ms = /^\d{1,9}$/.test(retryAfter)
    ? Number(retryAfter) * 1_000
    : Date.parse(retryAfter) - nowMs;
  return Number.isNaN(ms) ? 0 : Math.max(ms, 0);
}
