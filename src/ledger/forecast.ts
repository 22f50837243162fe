import { livingAt } from "./allowance.ts";
import { bookDue } from "./due.ts";
import type { Entry } from "./entry.ts";
import type { AccountState } from "./state.ts";
import type { Micros } from "./time.ts";

/** What happens to an account by itself at one instant. Points, none is negative. */
export type Forecast = {
  readonly time: Micros;
  readonly expired: bigint;
  /** What allowances bring, those that repay debt too. */
  readonly granted: bigint;
  /** What holds give back, those that repay debt or expire at once too. */
  readonly released: bigint;
  readonly balance: bigint;
  readonly debt: bigint;
  /** The names of these allowances, in order. */
  readonly allowances: readonly string[];
};

/** The most instants of a forecast, and the most work that it may be: see `Booked.size`. */
const MAX_INSTANTS = 1_000;
const MAX_SIZE = 25_000;
const STEP_SIZE = 250;

/**
 * Tells what will happen to an account by itself, by booking it in memory.
 *
 * @param state everything that falls due by then is loaded
 * @param span after `now`, up to `until`, itself included
 * @yields after each step of some milliseconds, so that others may have their turn
 * @returns instant by instant, and whether more follow
 */
export function* forecast(
  state: AccountState,
  { now, until }: { readonly now: Micros; readonly until: Micros },
): Generator<void, { readonly forecasts: readonly Forecast[]; readonly more: boolean }> {
  const forecasts: Forecast[] = [];
  const { state: visited } = bookDue(state, now);
  let left: AccountState = {
    ...visited,
    policies: livingAt(visited.policies, visited.account, now),
  };
  let size = 0;
  for (;;) {
    const booked = bookDue(left, until, { mode: "watch", maxSize: STEP_SIZE });
    for (const entry of booked.entries) note(forecasts, entry);
    // The last instant may have more to come.
    const isFull = forecasts.length > MAX_INSTANTS;
    const isMuch = size > MAX_SIZE && forecasts.length > 1;
    if (booked.isAll || isFull || isMuch) {
      const complete = booked.isAll ? forecasts : forecasts.slice(0, -1);
      const shown = complete.slice(0, MAX_INSTANTS);
      return { forecasts: shown, more: shown.length < forecasts.length };
    }
    left = booked.state;
    size += booked.size;
    yield;
  }
}

function note(forecasts: Forecast[], { time, kind, points, cause, after }: Entry): void {
  const last = forecasts.at(-1);
  const isSame = last?.time === time;
  const { expired, granted, released, allowances } = isSame ? last : NOTHING;
  const isGrant = kind === "recharge";
  const whole = {
    time,
    expired: kind === "expire" ? expired + points : expired,
    granted: isGrant ? granted + points : granted,
    released: kind === "release" ? released + points : released,
    balance: after.balance,
    debt: after.debt,
    allowances: isGrant && allowances.at(-1) !== cause ? [...allowances, cause] : allowances,
  };
  if (isSame) forecasts.pop();
  forecasts.push(whole);
}

const NOTHING = { expired: 0n, granted: 0n, released: 0n, allowances: [] };
