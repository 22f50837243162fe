import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { type Checked, startChecker } from "./checker.ts";
import { type Clock, clockOf } from "./clock.ts";
import { expectNoDeadlocks } from "./deadlocks.ts";
import { startDeployment, type Storage } from "./deployment.ts";
import { type Recoveries, startFaults, type Weights } from "./faults.ts";
import { type Callers, startLoad } from "./load.ts";
import { pricesOf } from "./pricing.ts";
import { type Random, randomOf } from "./random.ts";
import { startRounds } from "./rounds.ts";
import { type Target, targetAt } from "./targets.ts";

export type RunOptions = Callers & {
  readonly seconds: number;
  readonly seed: number;
  /** The servers to check; none: a deployment of the run's own, which is broken as it goes. */
  readonly urls: readonly string[];
  /** Which faults the run's own deployment gets, if any. */
  readonly faults: Weights;
  readonly storage: Storage;
  /** By how much the clock of the database's machine may differ from this one's. */
  readonly toleranceMs: number;
  readonly accountsPerRound: number;
  readonly roundMs: number;
  /** How long after a round it is checked. */
  readonly settleMs: number;
  /** The longest pause between two faults. */
  readonly faultPauseMs: number;
  /** Whether to end as soon as something is wrong. */
  readonly endsWhenWrong: boolean;
  /** Checks the database of the run's own deployment as a whole, in the end; throws if it is wrong. */
  readonly audit?: (url: string) => Promise<{ entries: number }>;
  /** Called with each fault. */
  readonly onFault?: (what: string) => void;
  /** Called now and then with how it goes. */
  readonly log: (line: string) => void;
};

/** What happened in a run. */
export type Report = {
  readonly seed: number;
  readonly seconds: number;
  readonly tally: ReadonlyMap<string, number>;
  readonly faults: ReadonlyMap<string, number>;
  /** Undefined without faults. */
  readonly recoveries: Recoveries | undefined;
  readonly checked: Checked;
  /** How many entries the audit saw; undefined without one. */
  readonly audited: number | undefined;
};

const FAULT_ROWS = 2;
const HOT_ACCOUNTS = 2;
const BACKLOG_MAX = 3;
const PROGRESS_MS = 10_000;
const POLL_MS = 100;

/** Asks, breaks and checks for so long. */
export async function run(options: RunOptions): Promise<Report> {
  const random = randomOf(options.seed);
  const clock = clockOf(options.toleranceMs);
  const answers = answerWaiters();
  if (options.urls.length > 0) {
    return underLoad({ options, random, clock, answers, targets: options.urls.map(targetAt) });
  }
  const { onFault = () => {}, faults, faultPauseMs, storage } = options;
  const deployment = await startDeployment(clock, storage);
  const { disk } = storage;
  const world = { ...deployment, disk, random, clock, nextAnswer: answers.next, log: onFault };
  let isClean = false;
  try {
    const report = await underLoad({
      ...{ options, random, clock, answers, targets: deployment.targets },
      ...(Object.keys(faults).length === 0
        ? {}
        : { breakThings: () => startFaults(world, faults, FAULT_ROWS, faultPauseMs) }),
      audit: async () => {
        await expectNoDeadlocks(deployment.postgres.url());
        return (await options.audit?.(deployment.postgres.url()))?.entries;
      },
    });
    isClean = report.checked.findings.length === 0;
    return report;
  } finally {
    await deployment.stop(isClean);
  }
}

type LoadedRun = {
  readonly options: RunOptions;
  readonly random: Random;
  readonly clock: Clock;
  readonly targets: readonly Target[];
  readonly answers: ReturnType<typeof answerWaiters>;
  readonly breakThings?: () => ReturnType<typeof startFaults>;
  readonly audit?: () => Promise<number | undefined>;
};

async function underLoad(loaded: LoadedRun): Promise<Report> {
  const { options, random, clock, targets, answers } = loaded;
  const { seed, log } = options;
  const client = () => {
    const up = targets.filter((target) => target.isUp());
    return random.pick(up.length === 0 ? targets : up).client();
  };
  const prices = pricesOf(await client().listPrices({}));
  const checker = startChecker(client, { clock, prices }, options.settleMs);
  const { checked } = checker;
  const rounds = startRounds(random, clock, {
    ...options,
    prefix: `torture-${seed}-${Date.now().toString(36)}`,
    hotAccounts: HOT_ACCOUNTS,
    isBehind: () => checker.backlog() >= BACKLOG_MAX,
    onRound: checker.add,
  });
  const load = startLoad({
    ...{ ...options, random, targets, rounds, impatient: true },
    onWrong: (what) => checker.note({ kind: "mismatch", what }),
    onAnswer: answers.tell,
  });
  const faults = loaded.breakThings?.();
  const since = performance.now();
  const seconds = () => (performance.now() - since) / 1000;
  const tell = () => log(progressOf(seconds(), load.tally, checked));
  const progress = setInterval(tell, PROGRESS_MS);
  const givesUp = () => options.endsWhenWrong && checked.findings.length > 0;
  while (seconds() < options.seconds && !givesUp()) await sleep(POLL_MS);
  await faults?.finish();
  await (givesUp() ? load.giveUp() : load.finish());
  const lasted = seconds();
  const isChecked = checker.finish();
  for (let done = false; !done && !givesUp(); ) {
    done = await Promise.race([isChecked.then(() => true), sleep(POLL_MS, false)]);
  }
  clearInterval(progress);
  for (const target of targets) target.close();
  const audit = givesUp() ? undefined : loaded.audit?.();
  const audited = await audit?.catch((error: unknown) => {
    checker.note({ kind: "mismatch", what: `the audit: ${String(error)}` });
    return undefined;
  });
  const counts = faults?.counts ?? new Map<string, number>();
  const { tally } = load;
  return { seed, seconds: lasted, tally, faults: counts, recoveries: faults?.recoveries, checked, audited };
}

function progressOf(
  seconds: number,
  tally: ReadonlyMap<string, number>,
  { entries, accounts, wrong }: Checked,
): string {
  const applied = tally.get("applied") ?? 0;
  const { lost, doubled, mismatch } = wrong;
  return `${seconds.toFixed(0)} s: ${applied} applied; ${entries} entries of ${accounts} accounts ` +
    `checked; ${lost} lost, ${doubled} doubled, ${mismatch} otherwise wrong`;
}

/** Lets somebody wait for an answer of a server. */
function answerWaiters() {
  let waiting: { server: number | undefined; resolve: () => void }[] = [];
  return {
    next: (server?: number) =>
      new Promise<void>((resolve) => void waiting.push({ server, resolve })),
    tell(server: number) {
      if (waiting.length === 0) return;
      const isFor = (one: { server: number | undefined }) => (one.server ?? server) === server;
      for (const { resolve } of waiting.filter(isFor)) resolve();
      waiting = waiting.filter((one) => !isFor(one));
    },
  };
}
