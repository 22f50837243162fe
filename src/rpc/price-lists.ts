import type {
  Meter as MeterMessage,
  Price as PriceMessage,
  PriceList as PriceListMessage,
  PriceLists as PriceListsMessage,
  PriceRow as PriceRowMessage,
} from "../../gen/points/v1/prices_pb.ts";
import { MAX_POINTS } from "../ledger/account.ts";
import {
  type Charge,
  type Fraction,
  type Meter,
  type Price,
  type PriceList,
  type PriceLists,
  type PriceRow,
  rowsThatTie,
} from "../ledger/prices.ts";
import { fromTimestamp, nanosOf } from "./timestamps.ts";

/** Notes a mistake and its place, such as `lists[1].from`. */
type Complain = (at: string, what: string) => void;

/**
 * Translates price lists from protobuf to the ledger. The contract's limits on fields were checked
 * before; this checks what they cannot say. After a complaint its result is of no use.
 */
export function toPriceLists({ lists }: PriceListsMessage, complain: Complain): PriceLists {
  const [first, ...others] = lists.map((list, index) =>
    toPriceList(list, `lists[${index}]`, complain),
  );
  let before = first!;
  for (const [index, list] of others.entries()) {
    const at = `lists[${index + 1}].from`;
    if (list.from === null) complain(at, "is missing: only the first list may lack it");
    else if (before.from !== null && list.from <= before.from) {
      complain(at, "must be later than that of the list before");
    }
    before = list;
  }
  const versions = new Map<string, number>();
  for (const [index, { version }] of lists.entries()) {
    const same = versions.get(version);
    if (same !== undefined) {
      complain(`lists[${index}].version`, `is that of lists[${same}], and entries record it`);
    }
    versions.set(version, index);
  }
  return [first!, ...others];
}

function toPriceList(
  { version, fromTime, services }: PriceListMessage,
  at: string,
  complain: Complain,
): PriceList {
  const from = fromTime === undefined ? null : fromTimestamp(fromTime)!;
  const prices = Object.entries(services).map(([service, price]): [string, Price] => {
    return [service, toPrice(price, `${at}.services[${JSON.stringify(service)}]`, complain)];
  });
  return { version, from, services: new Map(prices) };
}

function toPrice({ service, charge, rows }: PriceMessage, at: string, complain: Complain): Price {
  if (service !== "") complain(`${at}.service`, "must be left out: the key names the service");
  const ownCharge = toCharge(charge, at, complain);
  const priceRows = rows.map((row, index) =>
    toRow(row, { ownCharge, at: `${at}.rows[${index}]`, complain }),
  );
  const tie = rowsThatTie(priceRows);
  if (tie !== undefined) {
    const [one, other] = tie;
    complain(`${at}.rows[${other}]`, `ties with rows[${one}]: a use may match both`);
  }
  return { charge: ownCharge, rows: priceRows };
}

function toRow(
  { when, charge, factor }: PriceRowMessage,
  of: { readonly ownCharge: Charge; readonly at: string; readonly complain: Complain },
): PriceRow {
  const { ownCharge, at, complain } = of;
  const hasCharge = charge.case !== undefined;
  if (!hasCharge && factor === "") complain(at, "changes nothing: it has no charge and no factor");
  return {
    when: new Map(Object.entries(when)),
    charge: hasCharge ? toCharge(charge, at, complain) : ownCharge,
    factor: factor === "" ? null : toFraction(factor),
  };
}

const NO_METERS: readonly Meter[] = [];

function toCharge(
  charge: PriceMessage["charge"] | PriceRowMessage["charge"],
  at: string,
  complain: Complain,
): Charge {
  const within = `${at}.${charge.case}`;
  switch (charge.case) {
    case undefined:
    case "free":
      return { ...NO_LIMITS, fixed: 0n, meters: NO_METERS };
    case "fixed":
      return { ...NO_LIMITS, fixed: charge.value.points, meters: NO_METERS };
    case "quantity": {
      const meter = { of: "quantity", points: charge.value.points, per: 1n, unitNanos: null };
      return { fixed: 0n, meters: [meter], ...toLimits(charge.value, within, complain) };
    }
    case "duration": {
      const { points, unit } = charge.value;
      const meter = { of: "duration", points, per: 1n, unitNanos: nanosOf(unit!)! };
      return { fixed: 0n, meters: [meter], ...toLimits(charge.value, within, complain) };
    }
    case "metered": {
      const meters = toMeters(charge.value.meters, within, complain);
      return { fixed: 0n, meters, ...toLimits(charge.value, within, complain) };
    }
  }
}

const NO_LIMITS = { minimum: 0n, maximum: MAX_POINTS };

function toLimits(
  { minimum, maximum }: { readonly minimum: bigint; readonly maximum: bigint },
  at: string,
  complain: Complain,
) {
  if (minimum > maximum) complain(`${at}.minimum`, "must not pass the maximum");
  return { minimum, maximum };
}

function toMeters(
  meters: readonly MeterMessage[],
  at: string,
  complain: Complain,
): readonly Meter[] {
  const names = new Map<string, number>();
  return meters.map(({ of, points, per = 1n, unit }, index) => {
    const place = `${at}.meters[${index}]`;
    const same = names.get(of);
    if (same !== undefined) complain(`${place}.of`, `is that of meters[${same}]`);
    names.set(of, index);
    if (of === "duration" && unit === undefined)
      complain(`${place}.unit`, "is missing, such as 1s");
    if (of !== "duration" && unit !== undefined) {
      complain(`${place}.unit`, "must be left out: only duration has a unit");
    }
    return { of, points, per, unitNanos: unit === undefined ? null : nanosOf(unit)! };
  });
}

function toFraction(text: string): Fraction {
  const [numerator, denominator] = text.split("/");
  return { numerator: BigInt(numerator!), denominator: BigInt(denominator!) };
}
