import fc, { type IAsyncProperty, type IProperty } from "fast-check";

const MAX_ROUNDS = 50;

/**
 * Checks a random property in rounds of `numRuns` until it has seen enough. How much a given number
 * of runs sees is chance, and a test must not fail by that.
 */
export function assertUntil<T>(
  hasSeenEnough: () => boolean,
  property: IProperty<T>,
  numRuns: number,
): void {
  for (let round = 0; !hasSeenEnough(); round += 1) {
    countRound(round);
    fc.assert(property, { numRuns });
  }
}

/** The same for a property that waits. */
export async function assertUntilAsync<T>(
  hasSeenEnough: () => boolean,
  property: IAsyncProperty<T>,
  numRuns: number,
): Promise<void> {
  for (let round = 0; !hasSeenEnough(); round += 1) {
    countRound(round);
    await fc.assert(property, { numRuns });
  }
}

function countRound(round: number): void {
  if (round === MAX_ROUNDS) throw new Error(`it saw too little in ${MAX_ROUNDS} rounds`);
}
