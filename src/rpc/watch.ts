import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { Abandoned } from "../commit/batcher.ts";
import { accountNotFound } from "../errors/api-error.ts";
import type { Account } from "../ledger/account.ts";
import type { Micros } from "../ledger/time.ts";
import type { Orm } from "../store/driver/orm.ts";
import { type AccountNow, readAccounts, readSequences } from "../store/reads/read.ts";

const POLL_MS = 250;
const READ_MAX_ACCOUNTS = 500;

/** WatchAccount by polling: shows accounts as they change. */
export type Watchers = {
  /**
   * Yields the account now and after each change, until `signal` fires or `close` is called. A slow
   * reader gets only the last of several changes (conflation), so nothing queues up.
   *
   * @throws ACCOUNT_NOT_FOUND also once the account is erased
   */
  watch(userId: string, signal: AbortSignal): AsyncGenerator<Account>;
  /** Ends all watches. When it resolves, the database is no longer used and may be closed. */
  close(): Promise<void>;
};

type Watcher = {
  readonly userId: string;
  seen: AccountNow;
  latest?: Account;
  /** Whether there is no account of this name any more: it was erased. */
  isGone: boolean;
  wake: () => void;
};

/**
 * Makes the watchers of this server. While there are any, one query asks four times a second for
 * the last sequences of all watched accounts. So changes by other servers show up like our own, and
 * writers pay nothing for it. If something of an account becomes due, the account is read again at
 * that instant, whether it is booked or not.
 */
export function createWatchers(orm: Orm, log: Logger): Watchers {
  const watchers = new Set<Watcher>();
  const closing = new AbortController();
  let polling: Promise<void> | undefined;

  async function poll(): Promise<void> {
    const { signal } = closing;
    for (;;) {
      await sleep(POLL_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted || watchers.size === 0) break;
      try {
        await lookForChanges();
      } catch (err) {
        log.warn({ err }, "could not look for changes of watched accounts");
      }
    }
    polling = undefined;
  }

  async function lookForChanges(): Promise<void> {
    // Others may begin to watch while the query is under way.
    const asking = [...watchers];
    const userIds = new Set(asking.map(({ userId }) => userId));
    const { now, sequences } = await readSequences(orm, [...userIds]);
    for (const watcher of asking) if (!sequences.has(watcher.userId)) endWatch(watcher);
    const stale = asking.filter(({ userId, seen }) => isStale(seen, sequences.get(userId), now));
    for (let at = 0; at < stale.length; at += READ_MAX_ACCOUNTS) {
      await wakeStale(stale.slice(at, at + READ_MAX_ACCOUNTS));
    }
  }

  async function wakeStale(stale: readonly Watcher[]): Promise<void> {
    const readings = await readAccounts(orm, [...new Set(stale.map(({ userId }) => userId))]);
    const byUser = new Map(readings.map((reading) => [reading.account.userId, reading]));
    for (const watcher of stale) {
      const reading = byUser.get(watcher.userId);
      if (reading === undefined) continue;
      watcher.seen = reading;
      watcher.latest = reading.account;
      watcher.wake();
    }
  }

  async function* watch(userId: string, callSignal: AbortSignal): AsyncGenerator<Account> {
    const signal = AbortSignal.any([callSignal, closing.signal]);
    const [first] = await readAccounts(orm, [userId]);
    if (first === undefined) throw accountNotFound(userId);
    const watcher: Watcher = { ...watcherOf(first), userId };
    const wakeUp = () => watcher.wake();
    signal.addEventListener("abort", wakeUp);
    watchers.add(watcher);
    polling ??= poll();
    try {
      while (!signal.aborted) {
        const { latest, isGone } = watcher;
        delete watcher.latest;
        if (latest !== undefined) {
          yield latest;
          continue;
        }
        if (isGone) throw accountNotFound(userId);
        await new Promise<void>((resolve) => void (watcher.wake = resolve));
      }
      if (callSignal.aborted) throw new Abandoned(true, callSignal.reason);
    } finally {
      watchers.delete(watcher);
      signal.removeEventListener("abort", wakeUp);
    }
  }

  async function close(): Promise<void> {
    closing.abort();
    await polling;
  }

  return { watch, close };
}

function watcherOf(seen: AccountNow): Omit<Watcher, "userId"> {
  return { seen, latest: seen.account, isGone: false, wake: () => {} };
}

function endWatch(watcher: Watcher): void {
  watcher.isGone = true;
  watcher.wake();
}

/** Whether an account has a new entry since, or something of it has become due. */
function isStale({ account, nextDue }: AccountNow, last: bigint | undefined, now: Micros): boolean {
  const isDue = nextDue !== null && nextDue <= now;
  const sequence = last ?? 0n;
  return isDue || sequence > account.sequence;
}
