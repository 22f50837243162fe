import type { Spread } from "./job.ts";

/** Draws accounts of a set, by number from 1, as often as the spread says. */
export function userPicker({ accounts, by }: Spread, random = Math.random): () => number {
  if (by === "evenly") return () => 1 + Math.floor(random() * accounts);
  const upTo = new Float64Array(accounts);
  let sum = 0;
  for (let rank = 1; rank <= accounts; rank += 1) upTo[rank - 1] = sum += 1 / rank;
  return () => 1 + firstAbove(upTo, random() * sum);
}

/** The index of the first of ascending numbers that is above a value below the last. */
function firstAbove(ascending: Float64Array, value: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
