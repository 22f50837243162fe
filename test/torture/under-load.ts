import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { AnswerWaiters } from "./answer-waiters.ts";
import { type Checked, type Checker, startChecker } from "./checker.ts";
import type { Clock } from "./clock.ts";
import type { Doubts } from "./doubts.ts";
import type { Faults } from "./faults.ts";
import { type Load, startLoad } from "./load.ts";
import { pricesOf } from "./pricing.ts";
import type { Random } from "../support/random.ts";
import { startRounds } from "./rounds.ts";
import type { Report, RunOptions } from "./run.ts";
import type { Target } from "./targets.ts";

/** What is put under load, and how. */
type World = {
  readonly options: RunOptions;
  readonly random: Random;
  readonly clock: Clock;
  readonly doubts: Doubts;
  readonly targets: readonly Target[];
  /** The name by which they know us. */
  readonly caller: string;
  readonly answers: AnswerWaiters;
  /** Called once the load is on. */
  readonly breakThings?: () => Faults | undefined;
  /** Called when all else is checked; how many entries it saw, if it is one. */
  readonly audit?: () => Promise<number | undefined>;
};

const HOT_ACCOUNTS = 2;
const BACKLOG_MAX = 3;
const PROGRESS_MS = 10_000;
const POLL_MS = 100;

/** Asks for so long, checks all that came of it, and ends the connections. */
export async function underLoad(world: World): Promise<Report> {
  const { options, random, clock, doubts, targets, caller, answers } = world;
  const { seed } = options;
  const client = () => {
    const up = targets.filter((target) => target.isUp());
    return random.pick(up.length === 0 ? targets : up).client();
  };
  const prices = pricesOf(await client().listPrices({}));
  const checker = startChecker(client, { clock, doubts, prices, caller }, options.settleMs);
  const { checked } = checker;
  const rounds = startRounds(random, clock, {
    ...options,
    prefix: `torture-${seed}-${Date.now().toString(36)}`,
    hotAccounts: HOT_ACCOUNTS,
    isBehind: () => checker.backlog() >= BACKLOG_MAX,
    onRound: checker.add,
  });
  const load = startLoad({
    ...options,
    random,
    targets,
    doubts,
    rounds,
    impatient: true,
    onWrong: (what) => checker.note({ kind: "mismatch", what }),
    onAnswer: answers.tell,
  });
  const faults = world.breakThings?.();
  const since = performance.now();
  const progress = setInterval(() => {
    options.log(progressOf((performance.now() - since) / 1000, load.tally, checked));
  }, PROGRESS_MS);
  await loadAndCheck(world, load, faults, checker);
  clearInterval(progress);
  const seconds = (performance.now() - since) / 1000;
  const audited = isGivenUp(options, checked) ? undefined : await audit(world, checker);
  const { tally } = load;
  const { counts = new Map<string, number>(), recoveries } = faults ?? {};
  return { seed, seconds, tally, faults: counts, recoveries, checked, audited };
}

/** Until the time is over and all is checked, or, where that is wished, something is wrong. */
async function loadAndCheck(
  { options, targets }: World,
  load: Load,
  faults: Faults | undefined,
  checker: Checker,
): Promise<void> {
  const givesUp = () => isGivenUp(options, checker.checked);
  const end = performance.now() + 1000 * options.seconds;
  const isOver = () => performance.now() > end || options.signal?.aborted === true;
  while (!isOver() && !givesUp()) await sleep(POLL_MS);
  await faults?.finish();
  if (!givesUp()) await load.finish();
  const whole = checker.finish().then(() => true);
  for (let isWhole = false; !isWhole && !givesUp();) {
    isWhole = await Promise.race([whole, sleep(POLL_MS, false)]);
  }
  for (const target of targets) target.close();
  if (givesUp()) await load.giveUp();
}

function isGivenUp({ endsWhenWrong }: RunOptions, { findings }: Checked): boolean {
  return endsWhenWrong && findings.length > 0;
}

async function audit(world: World, checker: Checker): Promise<number | undefined> {
  try {
    return await world.audit?.();
  } catch (error) {
    checker.note({ kind: "mismatch", what: `the audit: ${String(error)}` });
    return undefined;
  }
}

function progressOf(
  seconds: number,
  tally: ReadonlyMap<string, number>,
  { entries, accounts, wrong }: Checked,
): string {
  const applied = tally.get("applied") ?? 0;
  const { lost, doubled, mismatch } = wrong;
  return (
    `${seconds.toFixed(0)} s: ${applied} applied; ${entries} entries of ${accounts} accounts ` +
    `checked; ${lost} lost, ${doubled} doubled, ${mismatch} otherwise wrong`
  );
}
