import { MAX_POINTS } from "./account.ts";
import { isRejection, type Rejection } from "./rejection.ts";

/** The price of a service. Points are 0 to 10^12. */
export type Price =
  | { readonly kind: "free" }
  | { readonly kind: "fixed"; readonly points: bigint }
  | ({ readonly kind: "quantity"; readonly points: bigint } & Range)
  | ({ readonly kind: "duration"; readonly points: bigint; readonly unitNanos: bigint } & Range);

/** The least and the most points that a use of the service costs. */
type Range = { readonly minimum: bigint; readonly maximum: bigint };

/** All prices in force, and the name of their version. */
export type PriceList = {
  readonly version: string;
  readonly services: ReadonlyMap<string, Price>;
};

/** A use of a service. */
export type Usage = {
  readonly service: string;
  /** How many; null: not given. */
  readonly quantity: bigint | null;
  /** How long, in nanoseconds; null: not given. */
  readonly durationNanos: bigint | null;
};

/** A use of a service and the version of the list that priced it, as an entry records it. */
export type PricedUsage = Usage & { readonly priceVersion: string };

/** A cost, and the use of a service that it was computed from; null: the caller named points. */
export type Cost = { readonly points: bigint; readonly usage: PricedUsage | null };

/** The service that a cost is for; null: the caller named points. */
export function serviceOf({ usage }: Cost): string | null {
  return usage === null ? null : usage.service;
}

/** Prices a use of a service by a list. All arithmetic is exact. */
export function priceUsage(list: PriceList, usage: Usage): Cost | Rejection {
  const price = list.services.get(usage.service);
  if (price === undefined) return { reason: "SERVICE_NOT_PRICED", service: usage.service };
  const priced = pointsOf(price, usage);
  if (isRejection(priced)) return priced;
  const { points } = priced;
  if (points > MAX_POINTS) return invalid("usage", `costs more than ${MAX_POINTS} points`);
  return { points, usage: { ...usage, priceVersion: list.version } };
}

function pointsOf(
  price: Price,
  { service, quantity, durationNanos }: Usage,
): Pick<Cost, "points"> | Rejection {
  switch (price.kind) {
    case "free":
      return { points: 0n };
    case "fixed":
      return price;
    case "quantity":
      if (quantity === null) return invalid("usage.quantity", `is required for ${service}`);
      return within(price, quantity * price.points);
    case "duration": {
      if (durationNanos === null) return invalid("usage.duration", `is required for ${service}`);
      const startedUnits = (durationNanos + price.unitNanos - 1n) / price.unitNanos;
      return within(price, startedUnits * price.points);
    }
  }
}

function within({ minimum, maximum }: Range, points: bigint): Pick<Cost, "points"> {
  if (points < minimum) return { points: minimum };
  return { points: points > maximum ? maximum : points };
}

function invalid(field: string, description: string): Rejection {
  return { reason: "FIELD_INVALID", field, description };
}
