import { create } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import type {
  ConsumeRequest,
  GetPriceListResponse,
  SettleRequest,
} from "../../../gen/points/v1/points_pb.ts";
import {
  type MeteredPoints,
  type Price,
  type PriceCalculation,
  PriceCalculationSchema,
  type PricedUsage,
  PricedUsageSchema,
  type Usage,
} from "../../../gen/points/v1/prices_pb.ts";
import { INVALID, MAX_POINTS, refused, type Refused } from "./refusals.ts";
import { nanosOf } from "./time.ts";

/** A price list as the server shows it. */
export type Prices = {
  readonly version: string;
  readonly byService: ReadonlyMap<string, Price>;
};

/** Reads the answer of GetPriceList. */
export function pricesOf({ priceVersion: version, prices }: GetPriceListResponse): Prices {
  const byService = new Map(prices.map((price) => [price.service, price]));
  return { version, byService };
}

/** The points to spend, and the priced usage if there is one. */
type Cost = { readonly points: bigint; readonly usage: PricedUsage | undefined };

/** The cost of an operation. */
export function costOf(
  cost: ConsumeRequest["cost"] | SettleRequest["cost"],
  prices: Prices,
): Cost | Refused {
  switch (cost.case) {
    case undefined:
      return INVALID;
    case "points":
      if (cost.value < 1n || cost.value > MAX_POINTS) return INVALID;
      return { points: cost.value, usage: undefined };
    case "usage":
      return usageCost(cost.value, prices);
  }
}

function usageCost(usage: Usage, prices: Prices): Cost | Refused {
  const priced = priceOf(prices, usage);
  if (priced === "unknown") return refused("SERVICE_NOT_PRICED", { service: usage.service });
  return priced === "incomplete" || priced.points > MAX_POINTS ? INVALID : priced;
}

/** The cost of a usage, and the record of it in the entry. */
function priceOf(
  { version, byService }: Prices,
  { service, amount, meters, attributes }: Usage,
): { points: bigint; usage: PricedUsage } | "unknown" | "incomplete" {
  const price = byService.get(service);
  if (price === undefined) return "unknown";
  const measured = measure(price.charge, { amount, meters });
  if (measured === undefined) return "incomplete";
  const { points, calculation } = measured;
  const usage = { service, amount, meters, attributes, priceVersion: version };
  return { points, usage: create(PricedUsageSchema, { ...usage, ...calculation }) };
}

type Measured = { points: bigint; calculation?: { calculation: PriceCalculation } };

/** Price lists of the torture have no rows. */
function measure(
  charge: Price["charge"],
  { amount, meters }: Pick<Usage, "amount" | "meters">,
): Measured | undefined {
  switch (charge.case) {
    case undefined:
    case "free":
      return { points: 0n };
    case "fixed":
      return { points: charge.value.points };
    case "quantity": {
      if (amount.case !== "quantity") return undefined;
      const { points } = charge.value;
      return limited([{ of: "quantity", amount: amount.value, points, per: 1n }], charge.value);
    }
    case "duration": {
      if (amount.case !== "duration") return undefined;
      const { points, unit } = charge.value;
      const units = startedUnits(nanosOf(amount.value), nanosOf(unit!));
      return limited([{ of: "duration", amount: units, points, per: 1n, unit }], charge.value);
    }
    case "metered": {
      const terms: Term[] = [];
      for (const { of, points, per = 1n, unit } of charge.value.meters) {
        const term = { of, points, per, unit };
        if (of === "quantity" && amount.case === "quantity") {
          terms.push({ ...term, amount: amount.value });
        } else if (of === "duration" && amount.case === "duration") {
          terms.push({ ...term, amount: startedUnits(nanosOf(amount.value), nanosOf(unit!)) });
        } else if (meters[of] === undefined) return undefined;
        else terms.push({ ...term, amount: meters[of] });
      }
      return limited(terms, charge.value);
    }
  }
}

type Term = Pick<MeteredPoints, "of" | "amount" | "points" | "per"> & {
  readonly unit?: Duration | undefined;
};

/** A started unit is charged in full. */
function startedUnits(length: bigint, each: bigint): bigint {
  return length / each + (length % each === 0n ? 0n : 1n);
}

function limited(terms: readonly Term[], limits: { minimum: bigint; maximum: bigint }): Measured {
  const whole = terms.reduce((product, { per }) => product * per, 1n);
  const parts = terms.map(({ amount, points, per }) => (amount * points * whole) / per);
  const sum = startedUnits(
    parts.reduce((one, other) => one + other, 0n),
    whole,
  );
  const [minimum, maximum] = [
    sum < limits.minimum ? limits.minimum : 0n,
    sum > limits.maximum ? limits.maximum : 0n,
  ];
  const calculation = create(PriceCalculationSchema, { meters: [...terms], minimum, maximum });
  return { points: minimum || maximum || sum, calculation: { calculation } };
}
