import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../support/random.ts";
import type { Clock } from "../deployment/clock.ts";
import type { Flood } from "../load/flood.ts";
import type { Waits } from "../load/waits.ts";

/** How long calls about other accounts waited at the longest, while nothing was broken. */
export type Longest = { moments: number; ms: number };

/** What fell due at once, and who waited. */
export type FallenDue = {
  /** Most lots and holds of one account. */
  most: number;
  /** In the moments when it fell due, and in some before. */
  readonly during: Longest;
  readonly before: Longest;
};

export type FallDueWorld = {
  readonly random: Random;
  readonly clock: Clock;
  readonly waits: Waits;
  /** Gives an account much that falls due soon; undefined: nothing more is begun. */
  readonly flood: () => Flood | undefined;
  /** Lets only callers of single operations go on; the result ends it. */
  readonly pauseBatches: () => () => void;
  /** Whether nothing was broken from a moment of `performance.now()` on. */
  readonly isQuietSince: (moment: number) => boolean;
};

const MOMENT_MS = 800;
const MOMENTS_BEFORE = 3;
/** After a pause begins, until what was queued is done. */
const SETTLE_MS = 800;
const LEAD_MICROS = 1_000_000n;
const POLL_MS = 5;
// The clock may be set back on the way.
const PATIENCE_MS = 30_000;

/**
 * Has thousands of lots and holds of an account fall due at once, under full load, or under a light
 * one, so that it can be told how long all others wait for it.
 */
export async function fallDue(world: FallDueWorld, fallen: FallenDue): Promise<void> {
  const isMeasured = world.random.chance(0.5);
  if (isMeasured) {
    await lightly(world, async () => {
      for (let moment = 0; moment < MOMENTS_BEFORE; moment += 1) {
        await watchOthers(world, "", fallen.before);
      }
    });
  }
  const started = world.flood();
  if (started === undefined) return;
  const { userId, instants, press, made, end } = started;
  try {
    await reach(world.clock, instants[0]! - LEAD_MICROS);
    const moments = async () => {
      for (const instant of instants) {
        await reach(world.clock, instant);
        if (!isMeasured) press();
        await watchOthers(world, userId, isMeasured ? fallen.during : undefined);
      }
    };
    await (isMeasured ? lightly(world, moments) : moments());
    fallen.most = Math.max(fallen.most, made());
  } finally {
    end();
  }
}

async function lightly({ pauseBatches }: FallDueWorld, work: () => Promise<void>): Promise<void> {
  const goOn = pauseBatches();
  try {
    await sleep(SETTLE_MS);
    await work();
  } finally {
    goOn();
  }
}

async function reach(clock: Clock, instant: bigint): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  while (clock.now() < instant && performance.now() < until) await sleep(POLL_MS);
}

async function watchOthers(
  { waits, isQuietSince }: FallDueWorld,
  userId: string,
  longest: Longest | undefined,
): Promise<void> {
  const start = performance.now();
  const ended = waits.watch(userId);
  await sleep(MOMENT_MS);
  const ms = await ended();
  if (longest === undefined || !isQuietSince(start)) return;
  longest.moments += 1;
  longest.ms = Math.max(longest.ms, ms);
}
