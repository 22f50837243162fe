import { create } from "@bufbuild/protobuf";
import type {
  ConsumeRequest,
  ListPricesResponse,
  SettleRequest,
} from "../../../gen/points/v1/points_pb.ts";
import {
  type Price,
  type PricedUsage,
  PricedUsageSchema,
  type Usage,
} from "../../../gen/points/v1/prices_pb.ts";
import { INVALID, MAX_POINTS, refused, type Refused } from "./refusals.ts";
import { nanosOf } from "./time.ts";

/** A price list as the server shows it. */
export type Prices = { readonly version: string; readonly byService: ReadonlyMap<string, Price> };

/** Reads the answer of ListPrices. */
export function pricesOf({ priceVersion: version, prices }: ListPricesResponse): Prices {
  return { version, byService: new Map(prices.map((price) => [price.service, price])) };
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
  { service, amount }: Usage,
): { points: bigint; usage: PricedUsage } | "unknown" | "incomplete" {
  const price = byService.get(service);
  if (price === undefined) return "unknown";
  const points = pointsOf(price.charge, amount);
  if (points === undefined) return "incomplete";
  return { points, usage: create(PricedUsageSchema, { service, amount, priceVersion: version }) };
}

function pointsOf(charge: Price["charge"], amount: Usage["amount"]): bigint | undefined {
  switch (charge.case) {
    case undefined:
    case "free":
      return 0n;
    case "fixed":
      return charge.value.points;
    case "quantity": {
      if (amount.case !== "quantity") return undefined;
      return clamp(amount.value * charge.value.points, charge.value);
    }
    case "duration": {
      if (amount.case !== "duration") return undefined;
      const { points, unit } = charge.value;
      const [length, each] = [nanosOf(amount.value), nanosOf(unit!)];
      // A started unit is charged in full.
      const units = length / each + (length % each === 0n ? 0n : 1n);
      return clamp(units * points, charge.value);
    }
  }
}

function clamp(points: bigint, limits: { minimum: bigint; maximum: bigint }): bigint {
  const { minimum, maximum } = limits;
  return points < minimum ? minimum : points > maximum ? maximum : points;
}
