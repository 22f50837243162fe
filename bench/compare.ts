import type { Cluster, Database } from "./cluster.ts";
import type { Spread } from "./load/job.ts";
import type { Measurement } from "./measure.ts";
import { median, medianOf } from "./results.ts";
import type { Row } from "./rows.ts";
import { type Repeat, runRow, type Timing } from "./run.ts";
import type { Server } from "./servers.ts";

/** Unary Consume on something large, beside something small whose repeats ran in turn with it. */
export type Comparison = {
  readonly large: Measurement;
  readonly small: Measurement;
  /** Operations a second, of the one to the other: the median of the repeats' ratios. */
  readonly ratio: number;
  /** What the checks found: nothing, if all is well. */
  readonly wrong: readonly string[];
};

/** Accounts that a server serves. */
export type Side = {
  readonly name: string;
  readonly database: Database;
  readonly server: Server;
  readonly spread: Spread;
};

/** How to measure. */
export type Measuring = {
  readonly cluster: Cluster;
  readonly repeats: number;
  readonly timing: Timing;
  /** Called with what was done, for people. */
  readonly onProgress: (what: string) => void;
};

/** In flight in each of these loads. */
export const IN_FLIGHT = 256;

/** So many loads' time the large side has to get warm: its server may be new. */
export const WARM_UP_LOADS = 7;

/** Measures both sides in turn, so that both had the same machine. */
export async function compare(how: Measuring, large: Side, small: Side): Promise<Comparison> {
  const ofLarge: Repeat[] = [];
  const ofSmall: Repeat[] = [];
  // A first load of each does not count: the first change of a page after a checkpoint is logged with
  // the whole page. With a new server it is some 20 s until V8 has compiled what is hot (half the CPU
  // an operation), and until each of PostgreSQL's processes has mapped most of what a large ledger
  // has in shared memory (at 5 million accounts, 7 faults an operation at first and 1 in the end).
  const seconds = WARM_UP_LOADS * how.timing.seconds;
  const long = { ...how, timing: { ...how.timing, seconds } };
  const warm = [
    await measureSide(long, large, "warm-up"),
    await measureSide(how, small, "warm-up"),
  ];
  for (let repeat = 1; repeat <= how.repeats; repeat += 1) {
    ofLarge.push(await measureSide(how, large));
    ofSmall.push(await measureSide(how, small));
  }
  const speeds = (repeats: readonly Repeat[]) =>
    repeats.map(({ measured }) => measured.operationsPerSecond);
  const speedsOfSmall = speeds(ofSmall);
  return {
    large: medianOf(ofLarge.map(({ measured }) => measured)),
    small: medianOf(ofSmall.map(({ measured }) => measured)),
    ratio: median(speeds(ofLarge).map((speed, index) => speed / speedsOfSmall[index]!)),
    wrong: [...warm, ...ofLarge, ...ofSmall].flatMap(({ wrong }) => wrong),
  };
}

/**
 * Measures one side once.
 *
 * @param moment said of it to people
 */
export async function measureSide(how: Measuring, side: Side, moment = "load"): Promise<Repeat> {
  const { cluster, timing, onProgress } = how;
  const { database, server, spread } = side;
  const name = `${side.name}, ${moment}`;
  const row: Row = {
    name,
    engine: "points",
    kind: "consume",
    spread,
    inFlight: IN_FLIGHT,
    workers: 1,
  };
  const place = { cluster, database, serverFor: async () => server, timing };
  const repeat = await runRow(place, row);
  const { operationsPerSecond, p99Ms } = repeat.measured;
  onProgress(`${name}: ${operationsPerSecond.toFixed(0)} op/s, p99 ${p99Ms.toFixed(1)} ms`);
  for (const what of repeat.wrong) onProgress(`${name}: ${what}`);
  return repeat;
}
