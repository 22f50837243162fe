import type { Calculation, Fraction, PricedUsage } from "../../ledger/prices.ts";

/** What an entry's row has of a usage beside its columns, in the column `pricing`. Empty is left out. */
export type Pricing = {
  readonly meters?: Readonly<Record<string, string>>;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly calculation?: {
    readonly when?: Readonly<Record<string, string>>;
    readonly fixed?: string;
    readonly meters?: readonly MeteredJson[];
    readonly factor?: string;
    readonly minimum?: string;
    readonly maximum?: string;
  };
};

// Numbers are texts of digits: JSON would round a large one.
type MeteredJson = {
  readonly of: string;
  readonly amount: string;
  readonly points: string;
  readonly per: string;
  readonly unit_nanos?: string;
};

type Priced = Pick<PricedUsage, "meters" | "attributes" | "calculation">;

/** The column's value; undefined: null, since there is nothing to say. */
export function toPricing({ meters, attributes, calculation }: Priced): Pricing | undefined {
  if (meters.size === 0 && attributes.size === 0 && calculation === null) return undefined;
  return {
    ...(meters.size === 0 ? {} : { meters: Object.fromEntries(digitsOf(meters)) }),
    ...(attributes.size === 0 ? {} : { attributes: Object.fromEntries(attributes) }),
    ...(calculation === null ? {} : { calculation: toCalculation(calculation) }),
  };
}

/**
 * Reads the column.
 *
 * @throws if it has no numbers where they belong
 */
export function fromPricing(pricing: Pricing | null): Priced {
  if (pricing === null) return NOTHING;
  const { meters = {}, attributes = {}, calculation } = pricing;
  const amounts = Object.entries(meters).map(([name, digits]) => [name, BigInt(digits)] as const);
  return {
    meters: new Map(amounts),
    attributes: new Map(Object.entries(attributes)),
    calculation: isAbsent(calculation) ? null : fromCalculation(calculation),
  };
}

/** An empty one too, since it is hashed as none. */
function isAbsent(calculation: Pricing["calculation"]): calculation is undefined {
  return calculation === undefined || Object.keys(calculation).length === 0;
}

const NOTHING: Priced = { meters: new Map(), attributes: new Map(), calculation: null };

function digitsOf(meters: PricedUsage["meters"]): [string, string][] {
  return [...meters].map(([name, amount]) => [name, String(amount)]);
}

function toCalculation(calculation: Calculation): NonNullable<Pricing["calculation"]> {
  const { when, fixed, meters, factor, minimum, maximum } = calculation;
  return {
    ...(when.size === 0 ? {} : { when: Object.fromEntries(when) }),
    ...(fixed === 0n ? {} : { fixed: String(fixed) }),
    ...(meters.length === 0 ? {} : { meters: meters.map(toMetered) }),
    ...(factor === null ? {} : { factor: `${factor.numerator}/${factor.denominator}` }),
    ...(minimum === 0n ? {} : { minimum: String(minimum) }),
    ...(maximum === 0n ? {} : { maximum: String(maximum) }),
  };
}

function toMetered({ of, amount, points, per, unitNanos }: Calculation["meters"][number]) {
  const unit = unitNanos === null ? {} : { unit_nanos: String(unitNanos) };
  return { of, amount: String(amount), points: String(points), per: String(per), ...unit };
}

function fromCalculation(json: NonNullable<Pricing["calculation"]>): Calculation {
  const { when = {}, fixed = 0, meters = [], factor, minimum = 0, maximum = 0 } = json;
  return {
    when: new Map(Object.entries(when)),
    fixed: BigInt(fixed),
    meters: meters.map(fromMetered),
    factor: factor === undefined ? null : fromFactor(factor),
    minimum: BigInt(minimum),
    maximum: BigInt(maximum),
  };
}

function fromMetered({ of, amount, points, per, unit_nanos }: MeteredJson) {
  const unitNanos = unit_nanos === undefined ? null : BigInt(unit_nanos);
  return { of, points: BigInt(points), per: BigInt(per), unitNanos, amount: BigInt(amount) };
}

function fromFactor(text: string): Fraction {
  const [numerator = "", denominator = ""] = text.split("/");
  return { numerator: BigInt(numerator), denominator: BigInt(denominator) };
}
