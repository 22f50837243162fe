import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { type Checked, startChecker } from "./checker.ts";
import { type Clock, clockOf } from "./clock.ts";
import { startDeployment } from "./deployment.ts";
import { type Recoveries, startFaults } from "./faults.ts";
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
  /** By how much the clock of the database's machine may differ from this one's. */
  readonly toleranceMs: number;
  readonly accountsPerRound: number;
  readonly roundMs: number;
  /** The longest pause between two faults. */
  readonly faultPauseMs: number;
  readonly log: (line: string) => void;
};

/** What happened in a run. */
export type Report = {
  readonly seconds: number;
  readonly tally: ReadonlyMap<string, number>;
  readonly faults: ReadonlyMap<string, number>;
  /** Undefined without faults. */
  readonly recoveries: Recoveries | undefined;
  readonly checked: Checked;
};

const FAULT_ROWS = 2;
const HOT_ACCOUNTS = 2;
const PROGRESS_MS = 10_000;

/** Asks, breaks and checks for so long. */
export async function run(options: RunOptions): Promise<Report> {
  const random = randomOf(options.seed);
  const clock = clockOf(options.toleranceMs);
  const answers = answerWaiters();
  if (options.urls.length > 0) {
    return underLoad(options, random, clock, options.urls.map(targetAt), answers);
  }
  const deployment = await startDeployment(clock);
  const world = { ...deployment, random, clock, nextAnswer: answers.next, log: options.log };
  let report: Report | undefined;
  try {
    const { targets } = deployment;
    return (report = await underLoad(options, random, clock, targets, answers, () =>
      startFaults(world, FAULT_ROWS, options.faultPauseMs),
    ));
  } finally {
    await deployment.stop(report !== undefined && report.checked.findings.length === 0);
  }
}

async function underLoad(
  options: RunOptions,
  random: Random,
  clock: Clock,
  targets: readonly Target[],
  answers: ReturnType<typeof answerWaiters>,
  breakThings?: () => ReturnType<typeof startFaults>,
): Promise<Report> {
  const prices = pricesOf(await targets[0]!.client().listPrices({}));
  const client = () => {
    const up = targets.filter((target) => target.isUp());
    return random.pick(up.length === 0 ? targets : up).client();
  };
  const checker = startChecker(client, { clock, prices });
  const { checked } = checker;
  const onWrong = (what: string) => checked.findings.push({ kind: "mismatch", what });
  const prefix = `torture-${options.seed}-${Date.now().toString(36)}`;
  const rounds = startRounds(random, clock, {
    ...options,
    prefix,
    hotAccounts: HOT_ACCOUNTS,
    onRound: checker.add,
  });
  const impatient = true;
  const onAnswer = answers.tell;
  const load = startLoad({ ...options, random, targets, rounds, impatient, onWrong, onAnswer });
  const faults = breakThings?.();
  const since = performance.now();
  const seconds = () => (performance.now() - since) / 1000;
  const progress = setInterval(() => {
    options.log(
      `${seconds().toFixed(0)} s: ${load.tally.get("applied") ?? 0} applied, ` +
        `${checked.entries} entries of ${checked.accounts} accounts checked, ` +
        `${checked.findings.length} wrong`,
    );
  }, PROGRESS_MS);
  await sleep(options.seconds * 1000);
  await faults?.finish();
  await load.finish();
  const lasted = seconds();
  await checker.finish();
  clearInterval(progress);
  for (const target of targets) target.close();
  return {
    seconds: lasted,
    tally: load.tally,
    faults: faults?.counts ?? new Map(),
    recoveries: faults?.recoveries,
    checked,
  };
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
