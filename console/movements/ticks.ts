import type { Movements } from "./movements.ts";

/**
 * Round figures from the lowest that the steps come to up to the highest, 0 among them: an account may
 * owe more than it has. They are of pixels, and so need not be exact.
 */
export function ticksOf({ start, lines, end }: Movements): number[] {
  let height = start.net;
  const heights = [0n, height, end.net];
  for (const { points } of lines) heights.push((height += points));
  const [low, high] = [Math.min(...heights.map(Number)), Math.max(...heights.map(Number))];
  const step = roundUp(Math.max((high - low) / TICKS, 1));
  const ticks: number[] = [];
  for (let tick = Math.floor(low / step); tick <= Math.ceil(high / step); tick += 1) {
    ticks.push(tick * step);
  }
  return ticks.length > 1 ? ticks : [0, step];
}

const TICKS = 4;

/** 1, 2 or 5 times a power of ten. */
function roundUp(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * ([1, 2, 5].find((factor) => factor * power >= step) ?? 10);
}
