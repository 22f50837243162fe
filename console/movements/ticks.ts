import { roundTicks } from "../parts/round-ticks.ts";
import type { Movements } from "./movements.ts";

/** Round figures for all that the steps come to, 0 among them: an account may owe more than it has. */
export function ticksOf({ start, lines, end }: Movements): number[] {
  let height = start.net;
  const heights = [0n, height, end.net];
  for (const { points } of lines) heights.push((height += points));
  return roundTicks(Math.min(...heights.map(Number)), Math.max(...heights.map(Number)));
}
