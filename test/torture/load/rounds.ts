import { performance } from "node:perf_hooks";
import type { Random } from "../../support/random.ts";
import type { Clock } from "../deployment/clock.ts";
import { type Flood, startFlood } from "./flood.ts";
import type { Caller, Outcome } from "./history.ts";
import type { SetOperation } from "../oracle/decide.ts";
import { type Account, newAccount, newTrial, nextAsked } from "./operations.ts";

/** A round: accounts that are under load together for a while, then left alone and checked. */
export type Round = {
  readonly number: number;
  readonly accounts: readonly Account[];
  /** Operations to retry, each from a moment on. */
  readonly again: { readonly item: Item; readonly from: number }[];
  /** Operations of floods that wait to be sent. */
  readonly flood: Item[];
  /** How many calls and attempts are under way. */
  underWay: number;
};

/** An operation under way. */
export type Item = {
  readonly round: Round;
  readonly account: Account;
  readonly asked: Account["history"]["asked"][number];
};

export type RoundOptions = {
  /** Begins all user ids, so that runs do not share accounts. */
  readonly prefix: string;
  /** The client that sends the requests. */
  readonly caller: Caller;
  readonly accountsPerRound: number;
  /** How many of them are hot: they share an extra 15% of all operations. */
  readonly hotAccounts: number;
  readonly roundMs: number;
  /** The maximum of lots in a flood. */
  readonly floodLots: number;
  /** Backpressure: while the checker is behind, an expired round neither ends nor starts work. */
  readonly isBehind: () => boolean;
  /** Called with a round that is over: nothing is under way, and nothing will be retried. */
  readonly onRound: (round: Round) => void;
};

/** The callers' source of operations, to which they report the outcomes. */
export type Rounds = {
  /** Gives up to `count` operations; fewer only if no new ones start, for now or for good. */
  take(count: number): Item[];
  /** Reports the outcome of an attempt. */
  done(item: Item, outcome: Outcome): void;
  /** An account of the current round; undefined after a stop. */
  someAccount(): { round: Round; account: Account } | undefined;
  /** An operation of such an account that is only to be validated. */
  someTrial(): { round: Round; operation: SetOperation } | undefined;
  /** Starts a flood on one account; undefined after a stop. */
  flood(): Flood | undefined;
  /** Starts nothing new. */
  stop(): void;
  /** Starts nothing new, and hands over no rounds. */
  giveUp(): void;
  /** Whether every round is handed over after a stop. */
  isOver(): boolean;
};

const HOT_SHARE = 0.15;
/** A flood's share of all operations while it lasts. */
const FLOOD_SHARE = 0.6;
const AGAIN_AFTER_MS = 150;
const TRIES_MAX = 60;

/**
 * Divides the run into rounds, so that the histories in memory are bounded.
 *
 * Three fourths of the operations with an unknown outcome are retried until it is known; the rest
 * stay unknown. A fourth of the operations that were not applied are retried.
 */
export function startRounds(random: Random, clock: Clock, options: RoundOptions): Rounds {
  const ending: Round[] = [];
  const started = performance.now();
  let begun = 0;
  let done = 0;
  let stopped = false;
  let current = newRound(options, 0);
  let since = performance.now();

  function isRoundOver(): boolean {
    return performance.now() - since > options.roundMs;
  }

  function turn(): void {
    if (!stopped && isRoundOver() && !options.isBehind()) {
      ending.push(current);
      current = newRound(options, current.number + 1);
      since = performance.now();
    }
    for (const round of ending.filter(isDone)) {
      ending.splice(ending.indexOf(round), 1);
      options.onRound(round);
    }
  }

  function someAccount() {
    const { accounts } = current;
    const last = random.chance(HOT_SHARE) ? options.hotAccounts : accounts.length;
    return { round: current, account: accounts[random.whole(0, last - 1)]! };
  }

  function nextTag(): string {
    return `op-${(begun += 1)}`;
  }

  function newItem(): Item {
    const { round, account } = someAccount();
    return { round, account, asked: nextAsked(random, account, nextTag(), clock.now()) };
  }

  return {
    someAccount: () => (stopped ? undefined : someAccount()),
    someTrial() {
      if (stopped) return undefined;
      const { round, account } = someAccount();
      return { round, operation: newTrial(random, account, `trial-${nextTag()}`, clock.now()) };
    },
    flood() {
      if (stopped) return undefined;
      const donePerSecond = (1000 * done) / (performance.now() - started);
      return startFlood({
        random,
        clock,
        ...someAccount(),
        nextTag,
        mostLots: options.floodLots,
        perSecond: Math.max(1, FLOOD_SHARE * donePerSecond),
      });
    },
    take(count) {
      turn();
      const items = takeWaiting([...ending, current], count);
      const begins = !stopped && !isRoundOver();
      while (begins && items.length < count) items.push(newItem());
      for (const { round } of items) round.underWay += 1;
      return items;
    },
    done(item, outcome) {
      item.round.underWay -= 1;
      done += 1;
      if (isToBeAskedAgain(random, item, outcome)) {
        item.round.again.push({ item, from: performance.now() + AGAIN_AFTER_MS });
      }
      turn();
    },
    stop() {
      stopped = true;
      ending.push(current);
      turn();
    },
    giveUp() {
      stopped = true;
      ending.length = 0;
      current.again.length = 0;
      current.flood.length = 0;
    },
    isOver: () => stopped && ending.length === 0,
  };
}

function newRound({ prefix, accountsPerRound, caller }: RoundOptions, number: number): Round {
  const accounts = Array.from({ length: accountsPerRound }, (_, index) =>
    newAccount(`${prefix}-${number}-${index}`, caller),
  );
  return { number, accounts, again: [], flood: [], underWay: 0 };
}

/** Takes up to `count` waiting operations; a flood leaves room for others. */
function takeWaiting(rounds: readonly Round[], count: number): Item[] {
  const items: Item[] = [];
  for (const { flood } of rounds) {
    items.push(...flood.splice(0, Math.floor(count * FLOOD_SHARE) - items.length));
  }
  const now = performance.now();
  for (const { again } of rounds) {
    while (items.length < count && (again[0]?.from ?? Infinity) <= now) {
      items.push(again.shift()!.item);
    }
  }
  return items;
}

function isDone({ again, flood, underWay }: Round): boolean {
  return again.length + flood.length + underWay === 0;
}

function isToBeAskedAgain(random: Random, { asked }: Item, outcome: Outcome): boolean {
  const { operation, attempts } = asked;
  // Without a request id a retry would be a new operation.
  if (operation.value.requestId === "" || attempts.length >= TRIES_MAX) return false;
  if (outcome.kind === "unknown") return attempts.length > 1 || random.chance(0.75);
  return outcome.kind === "notApplied" && random.chance(0.25);
}
