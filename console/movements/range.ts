import { type Day, dayOf, daysLater, startOf } from "../parts/days.ts";

/** From the first of a day to the last of another. */
export type Range = {
  /** Undefined: since the beginning. */
  readonly from: Day | undefined;
  readonly to: Day;
  /** The first instant. Undefined: since the beginning. */
  readonly start: Date | undefined;
  /** The first instant that is not in it any more. Undefined: until now. */
  readonly end: Date | undefined;
};

/** In an address: since the account's first entry. */
export const BEGINNING = "beginning";

/**
 * The days of an address, by default this month. What is no day counts as if it were not there; a last
 * day that has not come yet means until now.
 *
 * @returns undefined if it ends before it begins
 */
export function rangeOf(
  { from, to }: { readonly from?: string | undefined; readonly to?: string | undefined },
  now: Date,
): Range | undefined {
  const today = dayOf(now);
  const last = to !== undefined && startOf(to) !== undefined && to < today ? to : today;
  const first = from !== undefined && startOf(from) !== undefined ? from : firstOfMonth(last);
  const isFromBeginning = from === BEGINNING;
  if (!isFromBeginning && first > last) return undefined;
  return {
    from: isFromBeginning ? undefined : first,
    to: last,
    start: isFromBeginning ? undefined : quarterOf(startOf(first)!),
    end: last === today ? undefined : quarterOf(startOf(daysLater(last, 1))!),
  };
}

/** Ranges that are asked for often. */
export function choicesAt(now: Date): Record<Choice, { from: string; to: Day }> {
  const today = dayOf(now);
  const lastOfLastMonth = daysLater(firstOfMonth(today), -1);
  return {
    thisMonth: { from: firstOfMonth(today), to: today },
    lastMonth: { from: firstOfMonth(lastOfLastMonth), to: lastOfLastMonth },
    last30Days: { from: daysLater(today, -29), to: today },
    sinceBeginning: { from: BEGINNING, to: today },
  };
}

export type Choice = "thisMonth" | "lastMonth" | "last30Days" | "sinceBeginning";

function firstOfMonth(day: Day): Day {
  return `${day.slice(0, 8)}01`;
}

const QUARTER_MS = 15 * 60_000;

/** Sums are kept by the quarter of an hour; all time zones of today keep to it, some old ones do not. */
function quarterOf(date: Date): Date {
  return new Date(Math.floor(date.getTime() / QUARTER_MS) * QUARTER_MS);
}
