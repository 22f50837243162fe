import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../support/random.ts";
import type { Clock } from "../deployment/clock.ts";
import type { Flood } from "../load/flood.ts";
import type { Waits } from "../load/waits.ts";

/** The longest wait of calls about other accounts, over moments in which nothing was broken. */
export type Longest = { moments: number; ms: number };

/** Noisy-neighbour measurements: how long others wait while one account's lots fall due. */
export type FallenDue = {
  /** The most lots and holds of one account. */
  most: number;
  /** In the moments when they fell due, and in some moments before. */
  readonly during: Longest;
  readonly before: Longest;
};

export type FallDueWorld = {
  readonly random: Random;
  readonly clock: Clock;
  readonly waits: Waits;
  /** Starts a flood on one account; undefined after the load's stop. */
  readonly flood: () => Flood | undefined;
  /** Starts no more batches and streams until the returned function is called. */
  readonly pauseBatches: () => () => void;
  /** Whether nothing has been broken since a moment of `performance.now()`. */
  readonly isQuietSince: (moment: number) => boolean;
};

const MOMENT_MS = 800;
const MOMENTS_BEFORE = 3;
/** From the start of a pause until queued batches are done. */
const SETTLE_MS = 800;
const LEAD_MICROS = 1_000_000n;
const POLL_MS = 5;
// A fault may set the clock back meanwhile.
const PATIENCE_MS = 30_000;

/**
 * Makes thousands of lots and holds of one account fall due at once, half the time under full load,
 * else under a light load, which allows to measure how long the other accounts wait.
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
