import type { Spread } from "./job.ts";

/** Draws random accounts of a set, by number from 1, with the distribution of the spread. */
export function userPicker({ accounts, by }: Spread, random = Math.random): () => number {
  if (by === "evenly") return () => 1 + Math.floor(random() * accounts);
  const upTo = new Float64Array(accounts);
  let sum = 0;
  for (let rank = 1; rank <= accounts; rank += 1) upTo[rank - 1] = sum += 1 / rank;
  return () => 1 + firstAbove(upTo, random() * sum);
}

/** Binary search: the index of the first number above `value`, which is below the last one. */
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
