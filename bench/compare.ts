import type { Cluster, Database } from "./cluster.ts";
import type { Spread } from "./load/job.ts";
import type { Measurement } from "./measure.ts";
import { median, medianOf } from "./results.ts";
import type { Row } from "./rows.ts";
import { type Repeat, runRow, type Timing } from "./run.ts";
import type { Server } from "./servers.ts";

/** Unary Consume on a large ledger or account, compared with a small one, run in turn. */
export type Comparison = {
  readonly large: Measurement;
  readonly small: Measurement;
  /** The ratio of operations a second, large to small: the median over the repeats. */
  readonly ratio: number;
  /** The errors that the checks found; none if all is well. */
  readonly wrong: readonly string[];
};

/** One side: a server and its accounts. */
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
  /** Called with the progress, for people. */
  readonly onProgress: (what: string) => void;
};

/** The calls in flight in each of these loads. */
export const IN_FLIGHT = 256;

/** The warm-up of the large side, whose server may be new, as a multiple of a load's time. */
export const WARM_UP_LOADS = 7;

/** Measures both sides in turn, so that both see the same state of the machine. */
export async function compare(how: Measuring, large: Side, small: Side): Promise<Comparison> {
  const ofLarge: Repeat[] = [];
  const ofSmall: Repeat[] = [];
  // Warm-up: the first load of each side does not count, because the first change of a page after a
  // checkpoint logs the whole page. A new server needs some 20 s until V8 has compiled the hot code
  // (half the CPU an operation), and until each PostgreSQL process has mapped most of a large ledger
  // in shared memory (at 5 million accounts, 7 page faults an operation at first and 1 in the end).
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
 * @param moment the name of the measurement, for people
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
