/** Chance that can be had again: the same seed gives the same numbers. */
export type Random = {
  /** 0 to 1, without 1. */
  unit(): number;
  /** A whole number from 0 on, below `end`. */
  below(end: number): number;
  /** A whole number from `min` to `max`, both among them. */
  whole(min: number, max: number): number;
  /** Whether something that happens so often, of 1, happens now. */
  chance(often: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** One of the names, each as often as its weight says. */
  weighted<Name extends string>(weights: Readonly<Partial<Record<Name, number>>>): Name;
};

/** Starts with a seed, any whole number; mulberry32. */
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
