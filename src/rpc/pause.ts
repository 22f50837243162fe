import { setImmediate as nextTurn } from "node:timers/promises";

/**
 * Event-loop yielding: makes a function to await after each piece of a long job, so that other
 * calls get the thread in between. Without it, a thousand operations that are all there are one
 * turn of the event loop.
 */
export function createPause(): () => Promise<void> | undefined {
  let done = 0;
  return () => {
    done += 1;
    return done % PIECES_A_TURN === 0 ? nextTurn() : undefined;
  };
}

/** A piece takes 20 µs to 100 µs. */
const PIECES_A_TURN = 50;
