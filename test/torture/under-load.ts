import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { type Random, randomOf } from "../support/random.ts";
import { type Checked, type Checker, startChecker } from "./check/checker.ts";
import type { Reading } from "./check/read-account.ts";
import type { Clock } from "./deployment/clock.ts";
import type { Guest } from "./deployment/guest.ts";
import type { Target } from "./deployment/targets.ts";
import type { Breakables, Faults } from "./faults/faults.ts";
import type { Doubts } from "./load/doubts.ts";
import { type Load, startLoad } from "./load/load.ts";
import { startRounds } from "./load/rounds.ts";
import { type AnswerWaiters, waitsOfCalls } from "./load/waits.ts";
import { pricesOf } from "./oracle/pricing.ts";
import type { Report, RunOptions } from "./run.ts";
import { startReader } from "./stream/reader.ts";

/** The deployment under load, and the hooks of a run. */
type World = {
  readonly options: RunOptions;
  readonly random: Random;
  readonly clock: Clock;
  readonly doubts: Doubts;
  readonly targets: readonly Target[];
  /** The name by which the servers know the callers. */
  readonly caller: string;
  /** A caller with a load of its own, if there is one. */
  readonly guest?: Guest;
  readonly answers: AnswerWaiters;
  /** Whether the stream of all entries is followed too. */
  readonly followsStream: boolean;
  /** Called once the load runs; starts the faults. */
  readonly breakThings?: (load: OfLoad) => Faults | undefined;
  /** Called after all other checks; gives the number of entries audited. */
  readonly audit?: () => Promise<number | undefined>;
};

type OfLoad = Pick<Breakables, "flood" | "pauseBatches" | "waits" | "onWrong">;

const HOT_ACCOUNTS = 2;
const BACKLOG_MAX = 3;
/** The guest's load is small beside the others'. */
const OF_GUEST = { accountsPerRound: 20, batchers: 1, streamers: 1, loners: 1, holders: 2 };
const PROGRESS_MS = 10_000;
const POLL_MS = 100;

/** Runs the load for the given time, checks every history, and closes the connections. */
export async function underLoad(world: World): Promise<Report> {
  const { options, random, clock, doubts, targets, caller, guest, answers } = world;
  const { seed } = options;
  const client = () => {
    const up = targets.filter((target) => target.isUp());
    return random.pick(up.length === 0 ? targets : up).client();
  };
  const prices = pricesOf(await client().getPriceList({}));
  const onReading = ({ account, entries }: Reading) =>
    reader?.expect(account, entries.at(-1)?.hash);
  const seen = { clock, doubts, prices, onReading };
  const checker = startChecker(client, seen, options.settleMs);
  const { checked } = checker;
  const onWrong = (what: string) => checker.note({ kind: "mismatch", what });
  let faults: Faults | undefined;
  const isQuietSince = (moment: number) => faults?.isQuietSince(moment) ?? true;
  const ofStream = { random: randomOf(seed), clock, targets, isQuietSince, complain: onWrong };
  const reader = world.followsStream ? startReader(ofStream) : undefined;
  const prefix = `torture-${seed}-${Date.now().toString(36)}`;
  const backlogMax = guest === undefined ? BACKLOG_MAX : 2 * BACKLOG_MAX;
  const onRounds = {
    hotAccounts: HOT_ACCOUNTS,
    isBehind: () => checker.backlog() >= backlogMax,
    onRound: checker.add,
  };
  const tally = new Map<string, number>();
  const waits = waitsOfCalls();
  const onLoad = {
    random,
    doubts,
    tally,
    waits,
    impatient: true,
    onWrong,
    onAnswer: answers.tell,
    onEntry: (userId: string, sequence: bigint) => reader?.acknowledged(userId, sequence),
  };

  const own = { name: caller, outs: [] };
  const rounds = startRounds(random, clock, { ...options, ...onRounds, prefix, caller: own });
  const load = startLoad({ ...options, ...onLoad, targets, rounds, streams: undefined });
  const loads = [load];
  if (guest !== undefined) {
    const its = { ...options, ...OF_GUEST, ...onRounds, ...onLoad, ...guest };
    const guestRounds = startRounds(random, clock, {
      ...its,
      prefix: `${prefix}-guest`,
      caller: guest,
    });
    loads.push(startLoad({ ...its, rounds: guestRounds }));
  }
  const { flood } = rounds;
  const { pauseBatches } = load;
  faults = world.breakThings?.({ flood, pauseBatches, waits, onWrong });
  const since = performance.now();
  const progress = setInterval(() => {
    options.log(progressOf((performance.now() - since) / 1000, tally, checked));
  }, PROGRESS_MS);
  const finish = async () => {
    await checker.finish();
    await reader?.finish(client);
  };
  await loadAndCheck(world, loads, faults, { checked, finish });
  await reader?.end();
  clearInterval(progress);
  const seconds = (performance.now() - since) / 1000;
  const audited = isGivenUp(options, checked) ? undefined : await audit(world, checker);
  const { counts = new Map<string, number>(), recoveries, fallen } = faults ?? {};
  const streamed = reader?.streamed();
  return { seed, seconds, tally, faults: counts, recoveries, fallen, checked, streamed, audited };
}

/** Runs until the time is over and everything is checked, or until a finding may end it. */
async function loadAndCheck(
  { options, targets, guest }: World,
  loads: readonly Load[],
  faults: Faults | undefined,
  { checked, finish }: Pick<Checker, "checked" | "finish">,
): Promise<void> {
  const givesUp = () => isGivenUp(options, checked);
  const end = performance.now() + 1000 * options.seconds;
  const isOver = () => performance.now() > end || options.signal?.aborted === true;
  while (!isOver() && !givesUp()) await sleep(POLL_MS);
  await faults?.finish();
  if (!givesUp()) await Promise.all(loads.map((load) => load.finish()));
  const whole = finish().then(() => true);
  for (let isWhole = false; !isWhole && !givesUp();) {
    isWhole = await Promise.race([whole, sleep(POLL_MS, false)]);
  }
  for (const target of [...targets, ...(guest?.targets ?? [])]) target.close();
  if (givesUp()) await Promise.all(loads.map((load) => load.giveUp()));
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
