import fc from "fast-check";
import { expect, test } from "vitest";
import { timeOf } from "../../src/ledger/account.ts";
import { apply } from "../../src/ledger/apply.ts";
import { bookDue } from "../../src/ledger/due.ts";
import { forecast, type Forecast } from "../../src/ledger/forecast.ts";
import { isRejection } from "../../src/ledger/rejection.ts";
import type { AccountState } from "../../src/ledger/state.ts";
import { DAY, daily } from "../support/allowances.ts";
import { freeze, recharge, putPolicy } from "../support/commands.ts";
import { assertUntil } from "../support/enough.ts";
import { LONG_MS } from "../support/patience.ts";
import { commandAt, QUARTER, randomLife, type Step } from "../support/random-allowances.ts";
import { SALT } from "../support/salts.ts";
import { NOW, play, stateOf } from "../support/statement.ts";

test("tells what expires, what allowances bring and what holds give back, instant by instant", () => {
  const { state } = play(stateOf([]), [
    [0n, recharge(100n, { kind: "at", time: NOW + 2n * DAY })],
    [0n, freeze(40n, DAY / 2n)],
    [0n, putPolicy("daily", daily({ startTime: NOW + DAY, endTime: NOW + 3n * DAY }))],
  ]);
  const { forecasts, more } = forecastOf(state, NOW + 10n * DAY);
  expect(more).toBe(false);
  expect(forecasts.map(lineOf)).toEqual([
    "0.5: released 40 -> 100",
    "1: granted 10 daily -> 110",
    "2: expired 110 granted 10 daily -> 10",
    "3: expired 10 -> 0",
  ]);
});

test("has nothing of what is over: an allowance that ended while nobody came", () => {
  const { state } = play(stateOf([]), [
    [0n, putPolicy("daily", daily({ endTime: NOW + 2n * DAY }))],
  ]);
  const after = (days: bigint) => forecastOf(state, NOW + 10n * DAY, NOW + days * DAY).forecasts;
  expect(after(1n).map(lineOf)).toEqual(["2: expired 10 -> 0"]);
  expect(after(2n)).toEqual([]);
});

test("ends after 1,000 instants, and says that more follow", () => {
  const { state } = play(stateOf([]), [[0n, putPolicy("daily", daily())]]);
  const { forecasts, more } = forecastOf(state, NOW + 5_000n * DAY);
  expect([forecasts.length, more]).toEqual([1_000, true]);
  expect(forecasts.at(-1)!.time).toBe(NOW + 1_000n * DAY);
});

test(
  "is exact against what somebody sees who comes at each of its instants",
  { timeout: LONG_MS },
  async () => {
    let instants = 0;
    await assertUntil(
      () => instants > 300,
      fc.property(randomLife(15), (life) => {
        const { state, now } = live(life.slice(0, -1));
        const until = now + 500n * QUARTER;
        // The last command may have been refused: then the account is older.
        const { forecasts } = forecastOf(state, until, timeOf(state.account, now));
        let before = figuresAt(state, now);
        for (const { time, balance, debt } of forecasts) {
          // Nothing happens in between.
          expect(figuresAt(state, time - 1n)).toEqual(before);
          before = figuresAt(state, time);
          expect({ balance, debt }).toEqual(before);
        }
        expect(figuresAt(state, until)).toEqual(before);
        instants += forecasts.length;
      }),
      40,
    );
  },
);

function live(life: readonly Step[]): { state: AccountState; now: bigint } {
  let state: AccountState | undefined;
  let now = NOW;
  for (const step of life) {
    now += BigInt(step.later) * QUARTER;
    const found = state && bookDue(state, timeOf(state.account, now)).state;
    const applied = apply(found, commandAt(step, now), { now, salt: SALT });
    state = isRejection(applied) ? found : applied.state;
  }
  return { state: state!, now };
}

function forecastOf(state: AccountState, until: bigint, now = state.account.updateTime) {
  const steps = forecast(state, { now, until });
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

function figuresAt(state: AccountState, now: bigint) {
  const { balance, debt } = bookDue(state, timeOf(state.account, now)).state.account;
  return { balance, debt };
}

function lineOf({ time, expired, granted, released, balance, allowances }: Forecast): string {
  const moved = [
    expired > 0n && `expired ${expired}`,
    granted > 0n && `granted ${granted} ${allowances.join(" ")}`,
    released > 0n && `released ${released}`,
  ].filter(Boolean);
  return `${Number(time - NOW) / Number(DAY)}: ${moved.join(" ")} -> ${balance}`;
}
