import { setImmediate as nextTurn } from "node:timers/promises";

/**
 * Lets others have the thread now and then: whoever works through what its caller sent waits for
 * this after each piece. A thousand operations that are all there would else be one turn of the
 * event loop, in which nobody else is heard.
 */
export function createPause(): () => Promise<void> | undefined {
  let done = 0;
  return () => {
    done += 1;
    return done % PIECES_A_TURN === 0 ? nextTurn() : undefined;
  };
}

/** Of some 20 µs to 100 µs each. */
const PIECES_A_TURN = 50;
