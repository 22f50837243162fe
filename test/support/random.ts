/** A seeded pseudo-random generator: the same seed gives the same numbers. */
export type Random = {
  /** From 0 to 1, without 1. */
  unit(): number;
  /** A whole number from 0 to `end`, without `end`. */
  below(end: number): number;
  /** A whole number from `min` to `max`, both included. */
  whole(min: number, max: number): number;
  /** True with the probability `often`, from 0 to 1. */
  chance(often: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** One of the names, in proportion to its weight. */
  weighted<Name extends string>(weights: Readonly<Partial<Record<Name, number>>>): Name;
};

/** The mulberry32 generator with a seed, any whole number. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const unit = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (end: number) => Math.floor(unit() * end);
  const whole = (min: number, max: number) => min + below(max - min + 1);
  return {
    unit,
    below,
    whole,
    chance: (often) => unit() < often,
    pick: (from) => from[below(from.length)]!,
    weighted<Name extends string>(weights: Readonly<Partial<Record<Name, number>>>): Name {
      const all = Object.entries<number | undefined>(weights) as [Name, number][];
      let left = unit() * all.reduce((sum, [, weight]) => sum + weight, 0);
      const [name] = all.find(([, weight]) => (left -= weight) < 0) ?? all.at(-1)!;
      return name;
    },
  };
}
