/**
 * Round figures for the axis of a chart, from the lowest that it shows up to the highest. They are of
 * pixels, and so need not be exact.
 *
 * @returns at least two
 */
export function roundTicks(low: number, high: number): number[] {
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
