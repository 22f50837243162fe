import { DAY_MS } from "../parts/days.ts";
import type { Distance } from "./distance.ts";

/** Places of instants on a line from now to the last of them, each from 0 to 1. */
export type TimeLine = {
  readonly placeOf: (ms: number) => number;
  readonly ticks: readonly (Distance & { readonly place: number })[];
};

/** Ticks nearer to each other could not be read. */
const TICK_GAP = 0.25;
/** A tick after it would meet the word at the end of the line. */
const LAST_TICK = 0.75;

const TICKS: readonly (readonly [Distance["unit"], number, number])[] = [
  ["hour", 6, 0.25],
  ["day", 1, 1],
  ["day", 7, 7],
  ["month", 1, 30.4375],
  ["month", 3, 91.3125],
  ["year", 1, 365.25],
  ["year", 3, 1_095.75],
  ["year", 10, 3_652.5],
  ["year", 100, 36_525],
  ["year", 1_000, 365_250],
];

/**
 * Near instants are drawn wide and far ones narrow, by the logarithm of days: one lot that expires in
 * ten years must not press those of this week into one point.
 */
export function timeLineOf(nowMs: number, instantsMs: readonly number[]): TimeLine {
  const last = instantsMs.reduce((most, ms) => Math.max(most, ms), nowMs + DAY_MS);
  const width = Math.log1p((last - nowMs) / DAY_MS);
  const placeOfDays = (days: number) => Math.log1p(Math.max(0, days)) / width;
  const ticks: (Distance & { place: number })[] = [];
  let before = 0;
  for (const [unit, count, days] of TICKS) {
    const place = placeOfDays(days);
    if (place - before < TICK_GAP || place > LAST_TICK) continue;
    ticks.push({ unit, count, place });
    before = place;
  }
  return { placeOf: (ms) => Math.min(1, placeOfDays((ms - nowMs) / DAY_MS)), ticks };
}
