import fc, { type IRawProperty } from "fast-check";

const MAX_ROUNDS = 50;

/**
 * Checks a random property in rounds of `numRuns` until it has seen enough. How much a given number
 * of runs sees is chance, and a test must not fail by that.
 */
export async function assertUntil<T, IsAsync extends boolean>(
  hasSeenEnough: () => boolean,
  property: IRawProperty<T, IsAsync>,
  numRuns: number,
): Promise<void> {
  for (let round = 0; !hasSeenEnough(); round += 1) {
    if (round === MAX_ROUNDS) throw new Error(`it saw too little in ${MAX_ROUNDS} rounds`);
    await fc.assert(property, { numRuns });
  }
}
