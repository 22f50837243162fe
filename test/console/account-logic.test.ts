import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import {
  type Account,
  AccountSchema,
  EntrySchema,
  LotSchema,
} from "../../gen/points/v1/account_pb.ts";
import { ForecastSchema, GetForecastResponseSchema } from "../../gen/points/v1/points_pb.ts";
import { PriceSchema } from "../../gen/points/v1/prices_pb.ts";
import { distanceOf } from "../../console/account/distance.ts";
import { aheadMsOf } from "../../console/parts/ledger-clock.ts";
import { equationOf } from "../../console/account/equation.ts";
import { flowsOf } from "../../console/account/forecast-flows.ts";
import { horizonMs, stepsOf } from "../../console/account/forecast-steps.ts";
import { partsOf } from "../../console/account/lot-parts.ts";
import { leastUse, membersOf } from "../../console/account/member-counts.ts";
import { newerOf } from "../../console/account/newer-of.ts";
import { paced } from "../../console/account/paced.ts";
import { timeLineOf } from "../../console/account/time-line.ts";
import { keepWatching } from "../../console/account/watch.ts";
import { DAY_MS } from "../../console/parts/days.ts";
import { percentOf } from "../../console/parts/percent.ts";

const MAX = 2n ** 53n - 1n;
const MINUTE = 60_000;

test("both sides of the equation are worked out from the account's figures, exactly", () => {
  const account = create(AccountSchema, {
    balance: MAX - 15n,
    frozen: 1n,
    totalConsumed: 2n,
    totalExpired: 4n,
    totalRevoked: 8n,
    totalRecharged: MAX - 20n,
    totalRefunded: 13n,
    debt: 7n,
  });
  const { places, sources } = equationOf(account);
  expect([places.sum, sources.sum]).toEqual([MAX, MAX]);
  expect(sources.figures.map(({ name }) => name)).toEqual(["recharged", "refunded", "debt"]);
});

test.each([
  [5n, 4n, "read"],
  [4n, 5n, "watched"],
  [4n, 4n, "watched"],
])(
  "of an account that was read at %d and watched at %d, what was %3$s is shown",
  (one, other, newer) => {
    const read = create(AccountSchema, { sequence: one, userId: "read" });
    const watched = create(AccountSchema, { sequence: other, userId: "watched" });
    expect(newerOf(read, watched).userId).toBe(newer);
  },
);

test.each([
  [-1, undefined],
  [MINUTE - 1, undefined],
  [MINUTE, "1 minute"],
  [119 * MINUTE, "119 minute"],
  [119.5 * MINUTE, "2 hour"],
  [47 * 60 * MINUTE, "47 hour"],
  [2 * DAY_MS - 1, "2 day"],
  [3 * DAY_MS - 1, "3 day"],
  [99 * DAY_MS, "99 day"],
  [100 * DAY_MS, "3 month"],
  [730 * DAY_MS, "2 year"],
  [7_000 * 365.25 * DAY_MS, "7000 year"],
])("%d ms off is %s", (ms, said) => {
  const distance = distanceOf(ms);
  expect(distance && `${distance.count} ${distance.unit}`).toBe(said);
});

test("the ledger's clock is as far ahead as the latest instant that it has shown", () => {
  expect(aheadMsOf(undefined, 1_000, 0)).toBe(0);
  expect(aheadMsOf(900, 1_000, 0)).toBe(0);
  expect(aheadMsOf(5_000, 1_000, 0)).toBe(4_000);
  expect(aheadMsOf(5_000, 2_000, 4_000)).toBe(4_000);
});

test("a time line keeps what is near apart, and has its ticks where they can be read", () => {
  const { placeOf, ticks } = timeLineOf(0, [DAY_MS, 7 * DAY_MS, 3_652 * DAY_MS]);
  expect([placeOf(-5), placeOf(0), placeOf(3_652 * DAY_MS), placeOf(9_999 * DAY_MS)]).toEqual([
    0, 0, 1, 1,
  ]);
  expect(placeOf(7 * DAY_MS) - placeOf(DAY_MS)).toBeGreaterThan(0.15);
  expect(ticks.map(({ count, unit }) => `${count} ${unit}`)).toEqual(["7 day", "3 month"]);
});

test("a time line of nothing, and of today alone, is a day long", () => {
  for (const instants of [[], [5 * MINUTE]]) {
    const { placeOf, ticks } = timeLineOf(0, instants);
    expect(placeOf(DAY_MS)).toBe(1);
    expect(ticks.map(({ count, unit }) => `${count} ${unit}`)).toEqual(["6 hour"]);
  }
});

test("a forecast's points that are not in the balance repay debt, or claims take them", () => {
  const forecasts = [
    { released: 100n, balance: 1_311n, debt: 20n },
    { released: 30n, granted: 5n, expired: 10n, balance: 1_316n, debt: 0n },
    { expired: 16n, balance: 1_300n },
  ].map((one) => create(ForecastSchema, one));
  expect(flowsOf(forecasts, { balance: 1_311n, debt: 20n })).toEqual([
    { repaid: 0n, taken: 100n },
    { repaid: 20n, taken: 0n },
    { repaid: 0n, taken: 0n },
  ]);
});

test("what is neither left nor frozen of a lot is gone", () => {
  const lot = create(LotSchema, { points: 100n, remaining: 40n, frozen: 25n });
  expect(partsOf(lot)).toEqual({ remaining: 40n, frozen: 25n, gone: 35n });
  expect([percentOf(1n, 3n), percentOf(5n, 0n), percentOf(7n, 5n)]).toEqual([33.33, 0, 100]);
});

test("who has spent lately is asked about, whoever was last first", () => {
  const entriesOf = (members: string) =>
    members.split(",").map((member) => create(EntrySchema, { member }));
  expect(membersOf(entriesOf("mei,,tom,mei,li"))).toEqual(["mei", "tom", "li"]);
  expect(membersOf(entriesOf("a,b,c,d,e,f,g,h,i,j"))).toHaveLength(8);
});

const PRICES = [
  create(PriceSchema, { service: "script", charge: { case: "fixed", value: { points: 5n } } }),
  create(PriceSchema, { service: "cover", charge: { case: "quantity", value: { points: 2n } } }),
  create(PriceSchema, { service: "tts", charge: { case: "duration", value: { points: 1n } } }),
  create(PriceSchema, {
    service: "chat",
    charge: { case: "metered", value: { meters: [{ of: "input_tokens" }, { of: "quantity" }] } },
  }),
];

test.each([
  ["", { service: "script", meters: {} }],
  ["cover", { service: "cover", meters: {}, amount: { case: "quantity", value: 1n } }],
  [
    "tts",
    { service: "tts", meters: {}, amount: { case: "duration", value: { seconds: 1n, nanos: 0 } } },
  ],
  [
    "chat",
    { service: "chat", meters: { input_tokens: 0n }, amount: { case: "quantity", value: 1n } },
  ],
  ["unpriced", undefined],
])("what a limit for '%s' leaves is asked for by the least use", (service, use) => {
  expect(leastUse(PRICES, service)).toEqual(use);
});

test("a forecast's steps go from now to the horizon, or to the last that the server says", () => {
  const forecasts = [
    { time: timestampFromMs(10), balance: 50n, debt: 0n },
    { time: timestampFromMs(20), balance: 70n, debt: 0n },
  ];
  const range = { nowMs: 0, untilMs: 30 };
  const now = { balance: 60n, debt: 5n };
  const timesOf = (more: boolean) =>
    stepsOf(create(GetForecastResponseSchema, { forecasts, more }), now, range).map(
      ({ time, balance }) => [time, balance],
    );
  expect(timesOf(false)).toEqual([
    [0, 60],
    [10, 50],
    [20, 70],
    [30, 70],
  ]);
  expect(timesOf(true)).toEqual([
    [0, 60],
    [10, 50],
    [20, 70],
  ]);
});

test("a horizon is the end of a day, so that a page that stays open asks for the same", () => {
  expect(horizonMs(DAY_MS + 1, 30)).toBe(32 * DAY_MS);
  expect(horizonMs(2 * DAY_MS - 1, 30)).toBe(32 * DAY_MS);
});

describe("the lists of an account", () => {
  /** A clock that stands, but for the sleeps and reads of who is tested. */
  function standingClock() {
    let ms = 0;
    const slept: number[] = [];
    return {
      slept,
      nowMs: () => ms,
      pass: (by: number) => void (ms += by),
      sleep: async (by: number) => {
        slept.push(by);
        ms += by;
      },
    };
  }

  test("are read at once after a change, and once for all changes while they are read", async () => {
    const { slept, nowMs, pass, sleep } = standingClock();
    let reads = 0;
    const lists = paced(
      async () => {
        reads += 1;
        // A hot account: thousands of changes in each of the first three reads.
        for (let change = 0; reads <= 3 && change < 1_000; change += 1) lists.changed();
        pass(reads * 300);
        return true;
      },
      sleep,
      nowMs,
    );
    lists.changed();
    expect(reads).toBe(1);
    await expect.poll(() => slept.length).toBe(4);
    // At most once a second, and less often once a read takes longer than half a second.
    expect(slept).toEqual([1_000, 1_200, 1_800, 2_400]);
  });

  test("are read again if some were already being read, and not once the screen is left", async () => {
    const { slept, nowMs, sleep } = standingClock();
    const answers = [false, true];
    const lists = paced(async () => answers.shift()!, sleep, nowMs);
    lists.changed();
    await expect.poll(() => slept).toEqual([1_000, 1_000]);
    lists.stop();
    lists.changed();
    expect(answers).toEqual([]);
  });
});

describe("a watch", () => {
  const account = create(AccountSchema, { userId: "ada" });

  /** Watches streams that end in turn, each after a time; the last one ends the watch. */
  async function watchThrough(streams: readonly { readonly ms: number; readonly end?: Code }[]) {
    const stopped = new AbortController();
    const { signal } = stopped;
    const left = [...streams];
    const states: string[] = [];
    const waits: number[] = [];
    const seen: Account[] = [];
    let ms = 0;
    async function* open() {
      const { ms: lasts, end } = left.shift()!;
      if (lasts > 0) yield { account };
      ms += lasts;
      if (end !== undefined) throw new ConnectError("ended", end);
      if (left.length === 0) stopped.abort();
    }
    await keepWatching({
      open,
      onAccount: (one) => void seen.push(one),
      onState: (state) => void states.push(state),
      signal,
      sleep: async (by) => void waits.push(by),
      nowMs: () => ms,
    });
    return { states, waits, seen: seen.length };
  }

  test("opens a stream again that ends, at once after a good one and ever later after bad ones", async () => {
    const bad = { ms: 0, end: Code.Unavailable };
    const { states, waits, seen } = await watchThrough([
      { ms: 60_000 },
      ...Array.from({ length: 8 }, () => bad),
      { ms: 60_000, end: Code.Canceled },
      { ms: 5 },
    ]);
    expect(seen).toBe(3);
    expect(states.filter((state) => state !== "lost")).toEqual([
      "connecting",
      "live",
      "live",
      "live",
    ]);
    const expected = [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 0.5];
    expect(waits.length).toBe(expected.length);
    for (const [at, seconds] of expected.entries()) {
      expect(waits[at]).toBeGreaterThanOrEqual(seconds * 1_000);
      expect(waits[at]).toBeLessThanOrEqual(seconds * 1_250);
    }
  });

  test.each([Code.NotFound, Code.PermissionDenied, Code.Unauthenticated])(
    "ends with what another try would meet again, such as %d",
    async (end) => {
      const { states, waits } = await watchThrough([{ ms: 5, end }]);
      expect(states).toEqual(["connecting", "live", "ended"]);
      expect(waits).toEqual([]);
    },
  );
});
