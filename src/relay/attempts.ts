import { setTimeout as sleep } from "node:timers/promises";
import { setMaxListeners } from "node:events";
import { UserError } from "../errors/user-error.ts";
import type { CloudEvent } from "./cloud-event.ts";
import type { AppendLetter } from "./dead-letters.ts";
import { type RetryLimits, type Verdict, waitMs } from "./verdict.ts";

/** What an attempt came to, and why in words, such as "HTTP 500". */
export type Attempt = Verdict & { readonly reason: string };

/** Attempts at once. */
const ATTEMPTS_MAX = 16;

/** Many events may fail at once. */
const SAID_EVERY_MS = 10_000;

/**
 * Makes attempts at a target until it takes the events. Where there is a file of dead letters, what
 * it refuses and what it does not take in time goes there instead; otherwise it is tried for ever.
 *
 * @param signal no attempt begins after its abort; those under way end
 * @param say prints what the operator should know
 * @returns delivers events. It throws the signal's reason, or a UserError if the target is gone
 */
export function untilTaken({
  attempt,
  limits,
  append,
  signal,
  say,
  nowMs = () => performance.now(),
}: {
  readonly attempt: (events: readonly CloudEvent[]) => Promise<Attempt>;
  readonly limits: RetryLimits;
  readonly append: AppendLetter | undefined;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  readonly nowMs?: () => number;
}): (events: readonly CloudEvent[]) => Promise<void> {
  // Each event that waits listens to it.
  setMaxListeners(0, signal);
  const inTurn = boundedTo(ATTEMPTS_MAX);
  let quietUntilMs = 0;
  let saidAtMs = Number.NEGATIVE_INFINITY;

  const attemptOnce = (events: readonly CloudEvent[]) =>
    inTurn(async () => {
      // What a target asks for, it asks for all.
      for (let leftMs; (leftMs = quietUntilMs - nowMs()) > 0;) await rest(leftMs, signal);
      signal.throwIfAborted();
      return attempt(events);
    });

  const complain = (reason: string) => {
    if (nowMs() - saidAtMs < SAID_EVERY_MS) return;
    saidAtMs = nowMs();
    say(`the target does not take an event (${reason}); trying again`);
  };

  const bury = async (events: readonly CloudEvent[], reason: string, attempts: number) => {
    const time = new Date().toISOString();
    for (const event of events) await append!({ time, reason, attempts, event });
    say(`${events.map(({ id }) => id).join(", ")} went to the dead letters: ${reason}`);
  };

  return async (events) => {
    const sinceMs = nowMs();
    for (let attempts = 1; ; attempts += 1) {
      const came = await attemptOnce(events);
      const { kind, reason } = came;
      if (kind === "delivered") return;
      if (kind === "gone") throw new UserError(`the target wants no more events (${reason})`);
      const askedMs = kind === "failed" ? came.askedMs : 0;
      const ms = waitMs({ attempt: attempts, askedMs, random: Math.random() }, limits);
      const isLate = nowMs() - sinceMs + ms > limits.giveUpMs;
      if (append !== undefined && (kind === "refused" || isLate)) {
        return bury(events, reason, attempts);
      }
      // What it asks for, and no more: `ms` is of this event, which may have failed often.
      const quietMs = Math.min(askedMs, limits.askedMaxMs);
      if (quietMs > 0) quietUntilMs = Math.max(quietUntilMs, nowMs() + quietMs);
      complain(reason);
      await rest(ms, signal);
    }
  };
}

/** @throws the signal's reason */
async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
  signal.throwIfAborted();
}

/** A semaphore: calls `work` when less than `max` calls are under way, in the order of coming. */
function boundedTo(max: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = max;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free -= 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
