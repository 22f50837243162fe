import { MAX_POINTS } from "./account.ts";
import { isRejection, type Rejection } from "./rejection.ts";
import type { Micros } from "./time.ts";

/** A positive fraction, by which a price is multiplied. */
export type Fraction = { readonly numerator: bigint; readonly denominator: bigint };

/** What a price counts, and what that costs: `points` for each `per` of it. */
export type Meter = {
  /** "quantity", "duration", or a name in the meters of the use. */
  readonly of: string;
  readonly points: bigint;
  readonly per: bigint;
  /** Of "duration": the unit, of which started ones count; otherwise null. */
  readonly unitNanos: bigint | null;
};

/** How a use is charged: `fixed` and what the meters give, within limits. Points are 0 to 10^12. */
export type Charge = {
  readonly fixed: bigint;
  /** Each has another name. */
  readonly meters: readonly Meter[];
  readonly minimum: bigint;
  readonly maximum: bigint;
};

/** A price for uses with certain attributes. */
export type PriceRow = {
  readonly when: ReadonlyMap<string, string>;
  readonly charge: Charge;
  /** Null: 1. */
  readonly factor: Fraction | null;
};

/** The price of a service, and its exceptions: see `rowsThatTie`. */
export type Price = { readonly charge: Charge; readonly rows: readonly PriceRow[] };

/** The prices that are in force together, and the name of their version. */
export type PriceList = {
  readonly version: string;
  /** From when on; null: always, until the next list. */
  readonly from: Micros | null;
  readonly services: ReadonlyMap<string, Price>;
};

/** One list or more, in the order of their instants. */
export type PriceLists = readonly [PriceList, ...PriceList[]];

/** A use of a service. */
export type Usage = {
  readonly service: string;
  /** How many; null: not given. */
  readonly quantity: bigint | null;
  /** How long, in nanoseconds; null: not given. */
  readonly durationNanos: bigint | null;
  /** What else was measured, by name; 0 or more. */
  readonly meters: ReadonlyMap<string, bigint>;
  /** What the price may depend on. */
  readonly attributes: ReadonlyMap<string, string>;
};

/** What a meter gave: `amount` × `points` / `per` points, exactly. Of "duration" it is in units. */
export type MeteredPoints = Meter & { readonly amount: bigint };

/** How the points of a use came about, whatever has become of the price list since. */
export type Calculation = {
  /** The attributes of the row that won; empty: none did. */
  readonly when: ReadonlyMap<string, string>;
  readonly fixed: bigint;
  readonly meters: readonly MeteredPoints[];
  readonly factor: Fraction | null;
  /** The limit that took effect, if one did; otherwise 0. */
  readonly minimum: bigint;
  readonly maximum: bigint;
};

/** A use of a service as an entry records it. */
export type PricedUsage = Usage & {
  /** The version of the list that priced it. */
  readonly priceVersion: string;
  /** Null: the service is free, or this is its fixed price. */
  readonly calculation: Calculation | null;
};

/** A cost, and the use of a service that it was computed from; null: the caller named points. */
export type Cost = { readonly points: bigint; readonly usage: PricedUsage | null };

/** The service that a cost is for; null: the caller named points. */
export function serviceOf({ usage }: Pick<Cost, "usage">): string | null {
  return usage === null ? null : usage.service;
}

/** A cost, or why there is none. */
export type CostOrRefusal = Cost | Rejection;

/** What a use costs by each of several lists. Which list is in force, the instant decides. */
export type CostByInstant = {
  readonly byInstant: readonly { readonly from: Micros | null; readonly cost: CostOrRefusal }[];
};

/**
 * Prices a use by all lists, before the instant is known at which it is charged. With one list, the
 * usual case, that is the cost itself.
 */
export function priceUsage(lists: PriceLists, usage: Usage): CostOrRefusal | CostByInstant {
  const [first, ...others] = lists;
  if (others.length === 0) return priceBy(first, usage);
  return { byInstant: lists.map((list) => ({ from: list.from, cost: priceBy(list, usage) })) };
}

/** The cost at an instant. */
export function costAt(cost: CostOrRefusal | CostByInstant, now: Micros): CostOrRefusal {
  return "byInstant" in cost ? inForce(cost.byInstant, now).cost : cost;
}

/** The list that is in force at an instant: the last that has begun, or the first of all. */
export function listAt(lists: PriceLists, now: Micros): PriceList {
  return inForce(lists, now);
}

function inForce<T extends { readonly from: Micros | null }>(inOrder: readonly T[], now: Micros) {
  return inOrder.findLast(({ from }) => from === null || from <= now) ?? inOrder[0]!;
}

/** Prices a use by one list. All arithmetic is exact, and rounds once, up. */
export function priceBy({ version, services }: PriceList, usage: Usage): CostOrRefusal {
  const price = services.get(usage.service);
  if (price === undefined) return { reason: "SERVICE_NOT_PRICED", service: usage.service };
  const row = rowOf(price, usage.attributes);
  const charge = row?.charge ?? price.charge;
  const meters: MeteredPoints[] = [];
  for (const meter of charge.meters) {
    const metered = measure(meter, usage);
    if (isRejection(metered)) return metered;
    meters.push(metered);
  }
  const factor = row?.factor ?? null;
  const points = roundedUp(charge.fixed, meters, factor);
  const minimum = points < charge.minimum ? charge.minimum : 0n;
  const maximum = points > charge.maximum ? charge.maximum : 0n;
  const within = minimum || maximum || points;
  if (within > MAX_POINTS) return invalid("usage", `costs more than ${MAX_POINTS} points`);
  const isPlain = meters.length === 0 && row === undefined;
  const when = row?.when ?? NO_ATTRIBUTES;
  const calculation = isPlain
    ? null
    : { when, fixed: charge.fixed, meters, factor, minimum, maximum };
  return { points: within, usage: { ...usage, priceVersion: version, calculation } };
}

/**
 * Two rows of a price that would tie: a use may match both, and no row of more attributes is sure to
 * win then. Undefined: for each use, one row wins or none matches.
 */
export function rowsThatTie(
  rows: readonly Pick<PriceRow, "when">[],
): readonly [number, number] | undefined {
  for (const [first, { when: one }] of rows.entries()) {
    for (let second = first + 1; second < rows.length; second += 1) {
      const other = rows[second]!.when;
      if (one.size !== other.size) continue;
      // The least that a use of both has; undefined attributes of one are those of the other.
      const both = new Map([...one, ...other]);
      if (!matches(one, both)) continue;
      const isDecided = rows.some(({ when }) => when.size > one.size && matches(when, both));
      if (!isDecided) return [first, second];
    }
  }
  return undefined;
}

const NO_ATTRIBUTES: ReadonlyMap<string, string> = new Map();

/** The row that wins: of those that match, the one with the most attributes. */
function rowOf({ rows }: Price, attributes: Usage["attributes"]): PriceRow | undefined {
  let won: PriceRow | undefined;
  for (const row of rows) {
    if (won !== undefined && row.when.size <= won.when.size) continue;
    if (matches(row.when, attributes)) won = row;
  }
  return won;
}

function matches(when: PriceRow["when"], attributes: Usage["attributes"]): boolean {
  for (const [name, value] of when) if (attributes.get(name) !== value) return false;
  return true;
}

function measure(meter: Meter, usage: Usage): MeteredPoints | Rejection {
  const { service, quantity, durationNanos } = usage;
  switch (meter.of) {
    case "quantity":
      if (quantity === null) return invalid("usage.quantity", `is required for ${service}`);
      return { ...meter, amount: quantity };
    case "duration": {
      if (durationNanos === null) return invalid("usage.duration", `is required for ${service}`);
      return { ...meter, amount: dividedUp(durationNanos, meter.unitNanos!) };
    }
    default: {
      const amount = usage.meters.get(meter.of);
      const field = `usage.meters[${JSON.stringify(meter.of)}]`;
      if (amount === undefined) return invalid(field, `is required for ${service}`);
      return { ...meter, amount };
    }
  }
}

/** The sum, times the factor, over the product of all denominators: at most 660 bits. */
function roundedUp(
  fixed: bigint,
  meters: readonly MeteredPoints[],
  factor: Fraction | null,
): bigint {
  let numerator = fixed;
  let denominator = 1n;
  for (const { amount, points, per } of meters) {
    numerator = numerator * per + amount * points * denominator;
    denominator *= per;
  }
  if (factor === null) return dividedUp(numerator, denominator);
  return dividedUp(numerator * factor.numerator, denominator * factor.denominator);
}

function dividedUp(numerator: bigint, denominator: bigint): bigint {
  return (numerator + denominator - 1n) / denominator;
}

function invalid(field: string, description: string): Rejection {
  return { reason: "FIELD_INVALID", field, description };
}
