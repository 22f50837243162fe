import { performance } from "node:perf_hooks";
import type { Random } from "../../support/random.ts";
import type { Clock } from "../deployment/clock.ts";
import { type Flood, startFlood } from "./flood.ts";
import type { Caller, Outcome } from "./history.ts";
import { type Account, newAccount, nextAsked } from "./operations.ts";

/** Accounts that are asked together for a while, then left alone and checked. */
export type Round = {
  readonly number: number;
  readonly accounts: readonly Account[];
  /** What is to be asked again, and from which moment on. */
  readonly again: { readonly item: Item; readonly from: number }[];
  /** What is to be asked of one account, beside all else. */
  readonly flood: Item[];
  /** How many calls and tries are under way. */
  underWay: number;
};

/** An operation that is under way. */
export type Item = {
  readonly round: Round;
  readonly account: Account;
  readonly asked: Account["history"]["asked"][number];
};

export type RoundOptions = {
  /** Of all user ids: the accounts of a run are its own. */
  readonly prefix: string;
  /** Who asks. */
  readonly caller: Caller;
  readonly accountsPerRound: number;
  /** Of them, how many get a large part of all operations. */
  readonly hotAccounts: number;
  readonly roundMs: number;
  /** How many lots a flood has at the most. */
  readonly floodLots: number;
  /** Whether no round may end yet, since others still wait to be checked: then nothing is begun. */
  readonly isBehind: () => boolean;
  /** Called with a round that is over: nothing of it is under way, or will be asked again. */
  readonly onRound: (round: Round) => void;
};

/** What callers take their operations from, and bring what came of them back to. */
export type Rounds = {
  /** Up to so many operations; fewer only when no more are begun, for now or for good. */
  take(count: number): Item[];
  /** The operation's try is no longer under way. */
  done(item: Item, outcome: Outcome): void;
  /** An account of the round that goes on; undefined once no more is begun. */
  someAccount(): { round: Round; account: Account } | undefined;
  /** Gives one account much to do, which all falls due soon; undefined once no more is begun. */
  flood(): Flood | undefined;
  /** Begins nothing more. */
  stop(): void;
  /** Begins nothing more, and hands nothing over either. */
  giveUp(): void;
  /** Whether all is handed over. */
  isOver(): boolean;
};

const HOT_SHARE = 0.15;
/** Of what is asked, while there is a flood. */
const FLOOD_SHARE = 0.6;
const AGAIN_AFTER_MS = 150;
const TRIES_MAX = 60;

/**
 * Divides the time into rounds, so that what is remembered of them is bounded.
 *
 * What came to an unknown end is asked again until it is known, but for a fourth, which stays so;
 * what was not applied is believed, but for a fourth.
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

/** Of what is to be asked already, up to so many; a flood leaves room for others. */
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
  // Without a request id it would be another operation.
  if (operation.value.requestId === "" || attempts.length >= TRIES_MAX) return false;
  if (outcome.kind === "unknown") return attempts.length > 1 || random.chance(0.75);
  return outcome.kind === "notApplied" && random.chance(0.25);
}
