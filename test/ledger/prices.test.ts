import { describe, expect, test } from "vitest";
import { MAX_POINTS } from "../../src/ledger/account.ts";
import { type Price, priceUsage, type Usage } from "../../src/ledger/prices.ts";

const SECOND = 1_000_000_000n;
const DAYS_366 = 366n * 86_400n * SECOND;
const NO_LIMITS = { minimum: 0n, maximum: MAX_POINTS };

const fixed = (points: bigint): Price => ({ kind: "fixed", points });
const perPiece = (points: bigint, minimum = 0n, maximum = MAX_POINTS): Price => ({
  kind: "quantity",
  points,
  minimum,
  maximum,
});
const perTime = (
  points: bigint,
  unitNanos = SECOND,
  minimum = 0n,
  maximum = MAX_POINTS,
): Price => ({ kind: "duration", points, unitNanos, minimum, maximum });
const pieces = (quantity: bigint): Partial<Usage> => ({ quantity });
const nanos = (durationNanos: bigint): Partial<Usage> => ({ durationNanos });

describe("a use costs", () => {
  const cases: [title: string, price: Price, amount: Partial<Usage>, points: bigint][] = [
    ["nothing where it is free", { kind: "free" }, {}, 0n],
    ["nothing where it is free, however many", { kind: "free" }, pieces(MAX_POINTS), 0n],
    ["nothing where it is free, however long", { kind: "free" }, nanos(DAYS_366), 0n],
    ["its fixed price", fixed(200n), {}, 200n],
    ["its fixed price, however many", fixed(200n), pieces(7n), 200n],
    ["its fixed price, however long", fixed(200n), nanos(7n), 200n],
    ["a fixed price of 0", fixed(0n), {}, 0n],
    ["a fixed price of all that may be", fixed(MAX_POINTS), {}, MAX_POINTS],
    ["a price a piece", perPiece(3n), pieces(7n), 21n],
    ["0 a piece", perPiece(0n), pieces(7n), 0n],
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
    ["0 a second", perTime(0n), nanos(6n * SECOND), 0n],
  ];
  test.each(cases)("%s", (_, price, amount, points) => {
    const usage = { service: "it", quantity: null, durationNanos: null, ...amount };
    const list = { version: "v7", services: new Map([["it", price]]) };
    expect(priceUsage(list, usage)).toEqual({ points, usage: { ...usage, priceVersion: "v7" } });
  });
});

describe("a use has no cost", () => {
  const invalid = (field: string, description: string) => ({
    reason: "FIELD_INVALID",
    field,
    description,
  });
  const noQuantity = invalid("usage.quantity", "is required for it");
  const noDuration = invalid("usage.duration", "is required for it");
  const tooMuch = invalid("usage", "costs more than 1000000000000 points");
  const cases: [title: string, price: Price | undefined, amount: Partial<Usage>, why: object][] = [
    [
      "of a service that is not on the list",
      undefined,
      {},
      { reason: "SERVICE_NOT_PRICED", service: "it" },
    ],
    ["of pieces, if nobody says how many", perPiece(3n), {}, noQuantity],
    ["of pieces, if somebody says how long", perPiece(3n), nanos(3n), noQuantity],
    ["of time, if nobody says how long", perTime(3n), {}, noDuration],
    ["of time, if somebody says how many", perTime(3n), pieces(3n), noDuration],
    ["of a minimum alone", perPiece(3n, 10n), {}, noQuantity],
    ["past 10^12 for pieces, whatever the maximum says", tooDear(), pieces(MAX_POINTS), tooMuch],
    ["past 10^12 by one point", tooDear(MAX_POINTS + 1n), pieces(1n), tooMuch],
  ];
  test.each(cases)("%s", (_, price, amount, why) => {
    const usage = { service: "it", quantity: null, durationNanos: null, ...amount };
    const services = new Map(price === undefined ? [] : [["it", price] as const]);
    expect(priceUsage({ version: "v7", services }, usage)).toEqual(why);
  });

  test.each(["constructor", "__proto__", "toString"])("of a service named %s", (service) => {
    const list = { version: "v7", services: new Map([["it", fixed(1n)]]) };
    const usage = { service, quantity: null, durationNanos: null };
    expect(priceUsage(list, usage)).toEqual({ reason: "SERVICE_NOT_PRICED", service });
  });
});

/** A price that no list may have: parsePrices keeps its maximum at 10^12. */
function tooDear(points = 2n): Price {
  return { kind: "quantity", points, ...NO_LIMITS, maximum: 2n * MAX_POINTS };
}
