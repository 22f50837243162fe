import { randomOf } from "../support/random.ts";
import type { Checked } from "./check/checker.ts";
import { expectNoBugs, expectNoDeadlocks } from "./check/hidden-faults.ts";
import { clockOf } from "./deployment/clock.ts";
import { startDeployment, type Storage } from "./deployment/deployment.ts";
import { targetAt } from "./deployment/targets.ts";
import type { FallenDue } from "./faults/fall-due.ts";
import { type Recoveries, startFaults, type Weights } from "./faults/faults.ts";
import { noDoubts } from "./load/doubts.ts";
import type { Callers } from "./load/load.ts";
import { answerWaiters } from "./load/waits.ts";
import type { Streamed } from "./stream/reader.ts";
import { underLoad } from "./under-load.ts";

export type RunOptions = Callers & {
  readonly seconds: number;
  readonly seed: number;
  /** The servers to check; none: the run starts a deployment of its own and injects faults. */
  readonly urls: readonly string[];
  /** The bearer token for those servers, and the name by which they know its caller. */
  readonly token?: string | undefined;
  readonly caller: string;
  /** The faults to inject into the run's own deployment, if any. */
  readonly faults: Weights;
  readonly storage: Storage;
  /** The clock skew to allow between the database's machine and this one. */
  readonly toleranceMs: number;
  readonly accountsPerRound: number;
  readonly roundMs: number;
  /** The wait between a round and its check. */
  readonly settleMs: number;
  /** The most lots of one account that fall due at once. */
  readonly floodLots: number;
  /** The longest pause between two faults. */
  readonly faultPauseMs: number;
  /** Ends the load early; the check still covers every request. */
  readonly signal?: AbortSignal;
  /** Whether to end at the first finding. */
  readonly endsWhenWrong: boolean;
  /** Whether data and logs of the run's own deployment stay if there are findings. */
  readonly keepsData: boolean;
  /** Audits the whole database of the run's own deployment; throws if it is wrong. */
  readonly audit?: (url: string) => Promise<{ entries: number }>;
  /** Called with each fault. */
  readonly onFault?: (what: string) => void;
  /** Called now and then with the progress. */
  readonly log: (line: string) => void;
};

/** The results of a run. */
export type Report = {
  readonly seed: number;
  readonly seconds: number;
  readonly tally: ReadonlyMap<string, number>;
  readonly faults: ReadonlyMap<string, number>;
  /** Undefined without faults. */
  readonly recoveries: Recoveries | undefined;
  readonly fallen: FallenDue | undefined;
  readonly checked: Checked;
  /** What the reader of the stream saw; undefined with servers of others. */
  readonly streamed: Streamed | undefined;
  /** How many entries the audit saw; undefined without one. */
  readonly audited: number | undefined;
};

type Settings = Pick<
  RunOptions,
  | "accountsPerRound"
  | "roundMs"
  | "settleMs"
  | "floodLots"
  | "faultPauseMs"
  | "endsWhenWrong"
  | "keepsData"
  | "batchers"
  | "streamers"
  | "loners"
  | "holders"
>;

/** Settings of a run of minutes. */
export const LONG: Settings = {
  accountsPerRound: 500,
  roundMs: 10_000,
  settleMs: 5_000,
  // More than the limit of an account (4,096).
  floodLots: 4_300,
  faultPauseMs: 4_000,
  endsWhenWrong: false,
  keepsData: true,
  batchers: 6,
  streamers: 3,
  loners: 6,
  holders: 0,
};

/** Settings of a run of seconds: short rounds, early checks, frequent faults. */
export const SLICE: Settings = {
  ...LONG,
  accountsPerRound: 120,
  roundMs: 2_500,
  settleMs: 500,
  floodLots: 600,
  faultPauseMs: 700,
  endsWhenWrong: true,
  keepsData: false,
};

const FAULT_ROWS = 2;

/** Runs load, fault injection and history checks for the given time. */
export async function run(options: RunOptions): Promise<Report> {
  const random = randomOf(options.seed);
  const clock = clockOf(options.toleranceMs);
  const answers = answerWaiters();
  const doubts = noDoubts();
  if (options.urls.length > 0) {
    const { caller, token } = options;
    const showing = token === undefined ? undefined : () => token;
    const targets = options.urls.map((url) => targetAt(url, showing));
    const shared = { options, random, clock, doubts, answers };
    return underLoad({ ...shared, targets, caller, followsStream: false });
  }
  const { onFault = () => {}, faults, faultPauseMs, storage } = options;
  const deployment = await startDeployment(clock, storage);
  const { disk } = storage;
  const nextAnswer = answers.next;
  const world = { ...deployment, disk, random, clock, doubts, nextAnswer, log: onFault };
  let isKept = options.keepsData;
  try {
    const report = await underLoad({
      options,
      random,
      clock,
      doubts,
      answers,
      targets: deployment.targets,
      caller: deployment.caller,
      followsStream: true,
      ...("a caller is withdrawn" in faults ? { guest: deployment.guest } : {}),
      breakThings: (load) =>
        Object.keys(faults).length === 0
          ? undefined
          : startFaults({ ...world, ...load }, faults, FAULT_ROWS, faultPauseMs),
      async audit() {
        const url = deployment.postgres.url();
        await expectNoDeadlocks(url);
        await expectNoBugs(deployment.logFiles);
        return (await options.audit?.(url))?.entries;
      },
    });
    isKept &&= report.checked.findings.length > 0;
    return report;
  } finally {
    await deployment.stop(isKept);
  }
}
