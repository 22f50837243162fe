import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { Abandoned } from "../commit/batcher.ts";
import type { Account } from "../ledger/account.ts";
import type { Orm } from "../store/orm.ts";
import { readAccount, readAccounts } from "../store/read.ts";
import { accountNotFound } from "./errors.ts";

const POLL_MS = 250;

/** Shows accounts as they change. */
export type Watchers = {
  /**
   * The account now, and again after it changed, until `signal` fires or `close` is called. Of
   * several changes that a slow reader missed it gets the last.
   *
   * @throws ACCOUNT_NOT_FOUND
   */
  watch(userId: string, signal: AbortSignal): AsyncGenerator<Account>;
  /** Ends all of them. When it resolves, the database is asked no more, and may be left. */
  close(): Promise<void>;
};

type Watcher = { readonly userId: string; seen: bigint; latest?: Account; wake: () => void };

/**
 * All watchers of this server. While there are any, one query asks for the accounts of all of
 * them, four times a second: what another server changed shows up like our own changes, and
 * nobody pays for it on the way in.
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
        await tell();
      } catch (err) {
        log.warn({ err }, "could not look for changes of watched accounts");
      }
    }
    polling = undefined;
  }

  async function tell(): Promise<void> {
    const userIds = new Set([...watchers].map(({ userId }) => userId));
    const accounts = await readAccounts(orm, [...userIds]);
    const byUser = new Map(accounts.map((account) => [account.userId, account]));
    for (const watcher of watchers) {
      const account = byUser.get(watcher.userId);
      if (account === undefined || account.sequence <= watcher.seen) continue;
      watcher.seen = account.sequence;
      watcher.latest = account;
      watcher.wake();
    }
  }

  async function* watch(userId: string, callSignal: AbortSignal): AsyncGenerator<Account> {
    const signal = AbortSignal.any([callSignal, closing.signal]);
    const first = await readAccount(orm, userId);
    if (first === undefined) throw accountNotFound(userId);
    const watcher: Watcher = { userId, seen: first.sequence, latest: first, wake: () => {} };
    const wakeUp = () => watcher.wake();
    signal.addEventListener("abort", wakeUp);
    watchers.add(watcher);
    polling ??= poll();
    try {
      while (!signal.aborted) {
        const { latest } = watcher;
        delete watcher.latest;
        if (latest !== undefined) {
          yield latest;
          continue;
        }
        const { promise, resolve } = Promise.withResolvers<void>();
        watcher.wake = resolve;
        await promise;
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
