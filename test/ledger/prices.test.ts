import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAX_POINTS } from "../../src/ledger/account.ts";
import {
  type Charge,
  costAt,
  listAt,
  type Meter,
  priceBy,
  type PriceList,
  type PriceLists,
  type PriceRow,
  priceUsage,
  rowsThatTie,
  type Usage,
} from "../../src/ledger/prices.ts";
import { isRejection } from "../../src/ledger/rejection.ts";

const SECOND = 1_000_000_000n;
const DAYS_366 = 366n * 86_400n * SECOND;

const charge = (meters: Meter[], minimum = 0n, maximum = MAX_POINTS): Charge => {
  return { fixed: 0n, meters, minimum, maximum };
};
const fixed = (points: bigint): Charge => ({ ...charge([]), fixed: points });
const meter = (of: string, points: bigint, per = 1n): Meter => {
  return { of, points, per, unitNanos: null };
};
const perPiece = (points: bigint, minimum?: bigint, maximum?: bigint) =>
  charge([meter("quantity", points)], minimum, maximum);
const perTime = (points: bigint, unitNanos = SECOND, minimum?: bigint, maximum?: bigint) =>
  charge([{ ...meter("duration", points), unitNanos }], minimum, maximum);
const pieces = (quantity: bigint) => ({ quantity });
const nanos = (durationNanos: bigint) => ({ durationNanos });
const meters = (of: Record<string, bigint>) => ({ meters: new Map(Object.entries(of)) });
const attributes = (of: Record<string, string>) => ({ attributes: new Map(Object.entries(of)) });
/** A language model: 3 points for 1,000 tokens read, 15 for 1,000 written. */
const chat = (minimum?: bigint, maximum?: bigint) =>
  charge([meter("input", 3n, 1_000n), meter("output", 15n, 1_000n)], minimum, maximum);

type Use = Partial<Usage>;
const useOf = (use: Use): Usage => {
  const nothing = { quantity: null, durationNanos: null, meters: new Map(), attributes: new Map() };
  return { service: "it", ...nothing, ...use };
};
const listOf = (price: Charge, rows: readonly PriceRow[] = [], version = "v7"): PriceList => {
  return { version, from: null, services: new Map([["it", { charge: price, rows }]]) };
};

/** The points, or the field and what is wrong with it, or the reason. */
function priced(list: PriceList, use: Use) {
  const cost = priceBy(list, useOf(use));
  if (!isRejection(cost)) return cost.points;
  return cost.reason === "FIELD_INVALID" ? `${cost.field} ${cost.description}` : cost.reason;
}

describe("a use costs", () => {
  const cases: [title: string, price: Charge, use: Use, points: bigint][] = [
    ["its fixed price", fixed(200n), {}, 200n],
    ["its fixed price, however many", fixed(200n), pieces(7n), 200n],
    ["its fixed price, however long", fixed(200n), nanos(7n), 200n],
    ["nothing where it is free", fixed(0n), pieces(MAX_POINTS), 0n],
    ["a fixed price of all that may be", fixed(MAX_POINTS), {}, MAX_POINTS],
    ["a price a piece", perPiece(3n), pieces(7n), 21n],
    ["a price a piece to the largest cost", perPiece(1n), pieces(MAX_POINTS), MAX_POINTS],
    ["at least the minimum of pieces", perPiece(3n, 10n), pieces(3n), 10n],
    ["the price of pieces that come to the minimum", perPiece(5n, 10n), pieces(2n), 10n],
    ["more than the minimum of pieces", perPiece(3n, 10n), pieces(4n), 12n],
    ["at most the maximum of pieces", perPiece(3n, 0n, 10n), pieces(4n), 10n],
    ["at most the maximum of very many", perPiece(MAX_POINTS, 0n, 10n), pieces(MAX_POINTS), 10n],
    ["the minimum that is the maximum", perPiece(3n, 10n, 10n), pieces(1n), 10n],
    ["one unit for a nanosecond", perTime(1n), nanos(1n), 1n],
    ["one unit for a nanosecond less than one", perTime(1n), nanos(SECOND - 1n), 1n],
    ["one unit for exactly one", perTime(1n), nanos(SECOND), 1n],
    ["two units for a nanosecond more than one", perTime(1n), nanos(SECOND + 1n), 2n],
    ["sixty units for exactly sixty", perTime(2n), nanos(60n * SECOND), 120n],
    ["61 units for a nanosecond more", perTime(2n), nanos(60n * SECOND + 1n), 122n],
    ["units of half a second", perTime(1n, SECOND / 2n), nanos(SECOND + 1n), 3n],
    ["units of an hour", perTime(7n, 3_600n * SECOND), nanos(3_600n * SECOND + 1n), 14n],
    ["every second of 366 days", perTime(1n), nanos(DAYS_366), 31_622_400n],
    ["every millisecond of 366 days", perTime(1n, 1_000_000n), nanos(DAYS_366), 31_622_400_000n],
    ["at least the minimum of time", perTime(2n, SECOND, 10n), nanos(4n * SECOND), 10n],
    ["at most the maximum of time", perTime(2n, SECOND, 0n, 10n), nanos(6n * SECOND), 10n],
    ["the sum of meters", chat(), meters({ input: 2_000n, output: 1_000n }), 21n],
    ["the sum of meters, rounded up once", chat(), meters({ input: 100n, output: 100n }), 2n],
    ["one point for one token", chat(), meters({ input: 1n, output: 0n }), 1n],
    ["nothing for none", chat(), meters({ input: 0n, output: 0n }), 0n],
    ["the minimum for none", chat(5n), meters({ input: 0n, output: 0n }), 5n],
    ["no more for what it does not count", chat(), meters({ input: 1n, output: 0n, x: 9n }), 1n],
    ["at most the maximum of a sum", chat(0n, 7n), meters({ input: 0n, output: 9_999n }), 7n],
    [
      "pieces and a meter together",
      charge([meter("quantity", 4n), meter("pixels", 1n, 1_000_000n)]),
      { ...pieces(2n), ...meters({ pixels: 1_048_576n }) },
      10n,
    ],
    [
      "a sum whose parts are more than a half and less than one",
      charge([meter("a", 1n, 3n), meter("b", 1n, 7n)]),
      meters({ a: 2n, b: 2n }),
      1n,
    ],
  ];
  test.each(cases)("%s", (_, price, use, points) => {
    expect(priced(listOf(price), use)).toBe(points);
  });
});

describe("a use has no cost", () => {
  const tooMuch = "usage costs more than 1000000000000 points";
  const cases: [title: string, price: Charge, use: Use, why: string][] = [
    ["of another service", fixed(1n), { service: "that" }, "SERVICE_NOT_PRICED"],
    ["of __proto__", fixed(1n), { service: "__proto__" }, "SERVICE_NOT_PRICED"],
    ["if nobody says how many", perPiece(3n), {}, "usage.quantity is required for it"],
    ["if somebody says how long", perPiece(3n), nanos(3n), "usage.quantity is required for it"],
    ["if nobody says how long", perTime(3n), {}, "usage.duration is required for it"],
    ["if somebody says how many", perTime(3n), pieces(3n), "usage.duration is required for it"],
    ["of a minimum alone", perPiece(3n, 10n), {}, "usage.quantity is required for it"],
    [
      "without one of its meters",
      chat(),
      meters({ input: 1n }),
      'usage.meters["output"] is required for it',
    ],
    ["past 10^12", perPiece(2n), pieces(MAX_POINTS), tooMuch],
    [
      "past 10^12 by one point",
      charge([meter("quantity", 1n), meter("x", 1n)]),
      {
        ...pieces(MAX_POINTS),
        ...meters({ x: 1n }),
      },
      tooMuch,
    ],
  ];
  test.each(cases)("%s", (_, price, use, why) => {
    // A list keeps maxima at 10^12; without one, there is still a limit.
    const open = { ...price, maximum: 10n ** 30n };
    expect(priced(listOf(open), use)).toBe(why);
  });
});

describe("a row", () => {
  const when = (of: Record<string, string>, row: Partial<PriceRow>): PriceRow => {
    return { when: new Map(Object.entries(of)), charge: perPiece(10n), factor: null, ...row };
  };
  const times = (numerator: bigint, denominator: bigint) => ({
    factor: { numerator, denominator },
  });
  const rows = [
    when({ plan: "vip" }, times(4n, 5n)),
    when({ size: "4k" }, { charge: perPiece(40n) }),
    when({ plan: "vip", size: "4k" }, { charge: perPiece(40n), ...times(1n, 2n) }),
    when({ plan: "staff", size: "4k", use: "test" }, { charge: fixed(0n) }),
  ];
  const list = listOf(perPiece(10n), rows);
  test.each<[title: string, of: Record<string, string>, points: bigint]>([
    ["is passed over without its attributes", {}, 30n],
    ["is passed over with another value", { plan: "free" }, 30n],
    ["has a factor, whose product is rounded once", { plan: "vip" }, 24n],
    ["has another charge", { size: "4k" }, 120n],
    ["with more attributes wins", { size: "4k", plan: "vip", colour: "red" }, 60n],
    ["with most attributes wins", { size: "4k", plan: "staff", use: "test" }, 0n],
    ["needs all its attributes", { plan: "staff", use: "test" }, 30n],
  ])("%s", (_, of, points) => {
    expect(priced(list, { ...pieces(3n), ...attributes(of) })).toBe(points);
  });

  test("has its factor before the rounding, and before the limits", () => {
    const vip = { plan: "vip" };
    const half = (price: Charge) => listOf(price, [when(vip, { charge: price, ...times(1n, 2n) })]);
    const use = { ...attributes(vip), ...meters({ input: 500n, output: 100n }) };
    expect(priced(half(chat()), use)).toBe(2n);
    expect(priced(half(chat(2n)), { ...use, ...meters({ input: 1n, output: 0n }) })).toBe(2n);
    expect(priced(half(fixed(5n)), use)).toBe(3n);
  });

  const tables: [title: string, whens: Record<string, string>[], tie?: [number, number]][] = [
    ["of one attribute with two values", [{ a: "1" }, { a: "2" }]],
    ["of more attributes", [{ a: "1" }, { a: "1", b: "2" }]],
    ["that is there twice", [{ a: "1" }, { b: "1", a: "2" }, { a: "1" }], [0, 2]],
    ["of another attribute", [{ a: "1" }, { b: "1" }], [0, 1]],
    ["of another attribute, with one of both", [{ a: "1" }, { b: "1" }, { a: "1", b: "1" }]],
    [
      "of two attributes that share one",
      [
        { a: "1", b: "1" },
        { a: "1", c: "1" },
      ],
      [0, 1],
    ],
    [
      "that shares one, with another value in the other",
      [
        { a: "1", b: "1" },
        { a: "2", c: "1" },
      ],
    ],
  ];
  test.each(tables)("%s ties or does not", (_, whens, tie) => {
    const read = whens.map((of) => ({ when: new Map(Object.entries(of)) }));
    expect(rowsThatTie(read)).toEqual(tie);
  });

  test("of a price without ties wins alone, whatever a use has", () => {
    const name = fc.constantFrom("a", "b", "c");
    const some = fc.dictionary(name, fc.constantFrom("1", "2"), { minKeys: 1 });
    fc.assert(
      fc.property(fc.array(some, { maxLength: 6 }), fc.dictionary(name, name), (whens, more) => {
        const all = whens.map((of) => when(of, {}));
        const tie = rowsThatTie(all);
        const best = (use: Map<string, string>) => {
          const fit = all.filter((row) => [...row.when].every(([key, v]) => use.get(key) === v));
          const most = Math.max(...fit.map((row) => row.when.size));
          return fit.filter((row) => row.when.size === most).length;
        };
        // Without a tie, each row's own use has one winner; with one, the use of both rows has two.
        const uses =
          tie === undefined
            ? all.map((row) => new Map([...Object.entries(more), ...row.when]))
            : [new Map(tie.flatMap((index) => [...all[index]!.when]))];
        const isAlone = uses.map((use) => best(use) === 1);
        expect(isAlone).toEqual(uses.map(() => tie === undefined));
      }),
    );
  });
});

test("an entry says how its points came about, and they can be worked out from that", () => {
  const number = fc.bigInt({ min: 1n, max: 10n ** 6n });
  const names = ["a", "b", "c"];
  fc.assert(
    fc.property(
      fc.array(fc.record({ points: number, per: number, amount: number }), { maxLength: 3 }),
      fc.record({ numerator: number, denominator: number }),
      fc.tuple(fc.bigInt({ min: 0n, max: 99n }), fc.bigInt({ min: 99n, max: 9_999n })),
      (counted, factor, [minimum, maximum]) => {
        const price = charge(
          counted.map(({ points, per }, at) => meter(names[at]!, points, per)),
          minimum,
          maximum,
        );
        const when = new Map([["plan", "vip"]]);
        const use = {
          meters: new Map(counted.map(({ amount }, at) => [names[at]!, amount])),
          attributes: when,
        };
        const cost = priceBy(listOf(price, [{ when, charge: price, factor }]), useOf(use));
        if (isRejection(cost)) throw new Error("refused");
        const { points, usage } = cost;
        const said = usage!.calculation!;
        expect(usage).toMatchObject({ ...use, priceVersion: "v7" });
        expect(said).toMatchObject({ when, factor });

        // points - 1 < sum × factor <= points, over one denominator.
        const whole = said.meters.reduce((product, { per }) => product * per, 1n);
        const sum = said.meters.reduce((one, m) => one + (m.amount * m.points * whole) / m.per, 0n);
        const [top, bottom] = [sum * factor.numerator, whole * factor.denominator];
        const rounded = top / bottom + (top % bottom === 0n ? 0n : 1n);
        expect(said.minimum).toBe(rounded < minimum ? minimum : 0n);
        expect(said.maximum).toBe(rounded > maximum ? maximum : 0n);
        expect(points).toBe(said.minimum || said.maximum || rounded);
      },
    ),
  );
});

test("an entry of a fixed price says nothing more, unless a row won", () => {
  const row = { when: new Map([["plan", "vip"]]), charge: fixed(2n), factor: null };
  const list = listOf(fixed(5n), [row]);
  const calculationOf = (use: Use) => {
    const cost = priceBy(list, useOf(use));
    return isRejection(cost) ? cost : cost.usage!.calculation;
  };
  expect(calculationOf({})).toBeNull();
  expect(calculationOf(attributes({ plan: "vip" }))).toMatchObject({
    when: row.when,
    fixed: 2n,
    meters: [],
  });
});

describe("of several lists, one is in force:", () => {
  const at = (version: string, from: bigint | null, points: bigint) => {
    return { ...listOf(fixed(points), [], version), from };
  };
  const lists: PriceLists = [at("old", 10n, 1n), at("new", 20n, 2n), at("last", 30n, 3n)];
  test.each([
    [0n, "old", 1n],
    [10n, "old", 1n],
    [19n, "old", 1n],
    [20n, "new", 2n],
    [29n, "new", 2n],
    [30n, "last", 3n],
    [10n ** 18n, "last", 3n],
  ])("at %i %s", (now, version, points) => {
    expect(listAt(lists, now).version).toBe(version);
    const usage = useOf({});
    const cost = costAt(priceUsage(lists, usage), now);
    expect(cost).toMatchObject({ points, usage: { priceVersion: version } });
  });

  test("with one list the cost is there at once", () => {
    expect(priceUsage([lists[0]], useOf({}))).toMatchObject({ points: 1n });
  });
});
