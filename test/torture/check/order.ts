import type { Clock } from "../deployment/clock.ts";
import type { Asked, Attempt, History } from "../load/history.ts";
import { microsOf } from "../oracle/time.ts";
import type { Complain } from "./check.ts";
import type { Reading } from "./read-account.ts";

/** The real-time interval in which an operation was applied. */
export type Interval = { readonly begin: number; readonly end: number };

/** The owner of each entry of a journal, and the real-time bounds of each. */
export type Order = {
  /** The operation of each entry, from sequence 1 on; undefined: the ledger's own. */
  readonly owners: readonly (Asked | undefined)[];
  /** The entry of an operation, by its tag. */
  readonly sequences: ReadonlyMap<string, bigint>;
  /** When an operation was applied, as far as its answers show. */
  intervalOf(asked: Asked): Interval;
  /** The first and last sequence that the account may have had during a call. */
  statesDuring(start: number, end: number): { first: number; last: number };
};

/**
 * Finds the owner of each entry, and checks the order without the ledger's rules: no gap, no entry
 * without a request, no duplicate (exactly-once), and real-time order.
 */
export function checkOrder(
  history: History,
  reading: Reading,
  clock: Clock,
  complain: Complain,
): Order {
  const byTag = new Map(history.asked.map((asked) => [asked.tag, asked]));
  const owners: (Asked | undefined)[] = [];
  const sequences = new Map<string, bigint>();
  const requestIds = new Set<string>();
  for (const [index, { sequence, requestId, metadata }] of reading.entries.entries()) {
    if (sequence !== BigInt(index + 1)) {
      complain("mismatch", `entry ${sequence} stands where ${index + 1} belongs`, { sequence });
    }
    // A request id is the tag, unless it was reused from another operation: then the metadata has it.
    const tag = metadata["tag"] ?? requestId;
    const owner = byTag.get(tag);
    owners.push(owner);
    if (tag === "") continue;
    if (owner === undefined) {
      complain("mismatch", `entry ${sequence} is of ${tag}, which nobody asked for`, { sequence });
    }
    if (sequences.has(tag) || requestIds.has(requestId)) {
      complain("doubled", `entry ${sequence} applies ${tag} once more`, { sequence, tag });
    }
    sequences.set(tag, sequence);
    if (requestId !== "") requestIds.add(requestId);
  }

  const intervals = owners.map((owner) => (owner === undefined ? ANY_TIME : intervalOf(owner)));
  const firstAsked = Math.min(
    history.openedFrom,
    ...history.asked.map(({ attempts: [first] }) => first?.start ?? Infinity),
  );
  checkTimes(reading, intervals, firstAsked, clock, complain);
  return { owners, sequences, intervalOf, statesDuring: statesOf(intervals) };
}

/** The attempts that may have applied an operation; just the one that an answer confirms. */
export function appliers({ attempts }: Asked): readonly Attempt[] {
  const first = attempts.filter(({ outcome }) => outcome?.kind === "applied" && !outcome.replayed);
  if (first.length > 0) return first;
  return attempts.filter(
    ({ outcome }) =>
      outcome === undefined || outcome.kind === "unknown" || outcome.kind === "wrong",
  );
}

const ANY_TIME: Interval = { begin: -Infinity, end: Infinity };

function intervalOf(asked: Asked): Interval {
  const answered = asked.attempts.filter(({ outcome }) => outcome?.kind === "applied");
  const by = appliers(asked);
  return {
    begin: Math.min(...(by.length === 0 ? asked.attempts : by).map(({ start }) => start)),
    end: Math.min(...answered.map(({ end }) => end), Infinity),
  };
}

/**
 * Checks times: they never decrease. An operation's time is the clock's during its call, or the
 * time of the entry before it if the clock is behind that. The clock has reached the times of the
 * ledger's own entries.
 */
function checkTimes(
  { account, entries, moment }: Reading,
  intervals: readonly Interval[],
  firstAsked: number,
  clock: Clock,
  complain: Complain,
): void {
  const there = thereBy(intervals);
  let latestBegin = -Infinity;
  let before = microsOf(account.createTime!);
  for (const [index, { begin, end }] of intervals.entries()) {
    const { sequence, createTime } = entries[index]!;
    if (end < latestBegin) {
      const late = `${(latestBegin - end).toFixed(3)} ms`;
      complain(
        "mismatch",
        `entry ${sequence} was answered ${late} before one of those before it was asked for`,
        { sequence },
      );
    }
    latestBegin = Math.max(latestBegin, begin);
    const time = microsOf(createTime!);
    if (time < before) {
      complain("mismatch", `entry ${sequence} is older than the one before it`, { sequence });
    }
    const isOwn = begin === -Infinity;
    const upToMoment = Math.min(isOwn ? there[index]! : end, moment);
    const { from, upTo } = clock.span(isOwn ? firstAsked : begin, upToMoment);
    const isLate = time > upTo && time > before;
    if (isLate || (time < from && !isOwn)) {
      const call = `${isOwn ? "all calls" : "the call"}, from ${from} to ${upTo}`;
      complain("mismatch", `entry ${sequence} is of ${time}, which is not within ${call}`, {
        sequence,
      });
    }
    before = time;
  }
}

/** The latest moment at which each entry was written: no later than any entry after it. */
function thereBy(intervals: readonly Interval[]): number[] {
  const there = intervals.map(({ end }) => end);
  for (let at = there.length - 2; at >= 0; at -= 1) {
    there[at] = Math.min(there[at]!, there[at + 1]!);
  }
  return there;
}

function statesOf(intervals: readonly Interval[]): Order["statesDuring"] {
  const there = thereBy(intervals);
  // The earliest moment of each entry: no earlier than any entry before it.
  const possible = intervals.map(({ begin }) => begin);
  for (let at = 1; at < possible.length; at += 1) {
    possible[at] = Math.max(possible[at]!, possible[at - 1]!);
  }
  return (start, end) => ({
    first: countWhile(there, (moment) => moment < start),
    last: countWhile(possible, (moment) => moment <= end),
  });
}

/** Binary search: how many values at the start satisfy `holds`; none after them does. */
function countWhile(sorted: readonly number[], holds: (value: number) => boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(sorted[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}
