import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "./clock.ts";
import type { FloodUnderWay } from "./rounds.ts";
import type { Waits } from "./waits.ts";

/** How long calls about other accounts waited at the longest, in moments when nothing was broken. */
export type Longest = { moments: number; ms: number };

/** In moments when thousands of things of an account fell due, and in some before. */
export type FloodWaits = { readonly during: Longest; readonly before: Longest };

export type FallDueWorld = {
  readonly clock: Clock;
  readonly waits: Waits;
  /** Gives an account much that falls due soon; undefined: nothing more is begun. */
  readonly flood: () => FloodUnderWay | undefined;
  /** Whether nothing was broken from a moment of `performance.now()` on. */
  readonly isQuietSince: (moment: number) => boolean;
};

const MOMENT_MS = 800;
const MOMENTS_BEFORE = 3;
const POLL_MS = 5;
// The clock may be set back on the way.
const PATIENCE_MS = 30_000;

/** Has thousands of lots and holds of an account fall due at once, and watches all others. */
export async function fallDue(world: FallDueWorld, floodWaits: FloodWaits): Promise<void> {
  const { clock, flood } = world;
  for (let moment = 0; moment < MOMENTS_BEFORE; moment += 1) {
    await watchOthers(world, "", floodWaits.before);
  }
  const started = flood();
  if (started === undefined) return;
  const { userId, instants, done } = started;
  try {
    for (const instant of instants) {
      const until = performance.now() + PATIENCE_MS;
      while (clock.now() < instant && performance.now() < until) await sleep(POLL_MS);
      await watchOthers(world, userId, floodWaits.during);
    }
  } finally {
    done();
  }
}

async function watchOthers(
  { waits, isQuietSince }: FallDueWorld,
  userId: string,
  longest: Longest,
): Promise<void> {
  const start = performance.now();
  const ended = waits.watch(userId);
  await sleep(MOMENT_MS);
  const ms = ended();
  if (!isQuietSince(start)) return;
  longest.moments += 1;
  longest.ms = Math.max(longest.ms, ms);
}
