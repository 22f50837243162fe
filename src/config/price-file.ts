import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { UserError } from "../errors/user-error.ts";
import { MAX_POINTS } from "../ledger/account.ts";
import type { Price, PriceList } from "../ledger/prices.ts";
import { readText } from "./reload.ts";
import { asMap } from "./yaml-map.ts";

/** The path of the price list that ships with Points. */
export const SHIPPED_PRICES = fileURLToPath(new URL("../../prices.yaml", import.meta.url));

/** Names every mistake in a price list, each with its place. */
export class PricesError extends UserError {}

/**
 * Reads a file with a price list, and checks all of it.
 *
 * @throws {PricesError}
 */
export function readPrices(path: string): PriceList {
  let text: string;
  try {
    text = readText(path);
  } catch (cause) {
    throw new PricesError(`cannot read the price list ${path}`, { cause });
  }
  return parsePrices(text, path);
}

/**
 * Parses the text of a price list, YAML in the form of prices.yaml, and checks all of it.
 *
 * @param name of the file, for errors
 * @throws {PricesError}
 */
export function parsePrices(text: string, name: string): PriceList {
  const wrong: string[] = [];
  const complain = (at: string, what: string) => wrong.push(`${at} ${what}`);
  let list: unknown;
  try {
    // Whole numbers become bigints, so that none is rounded.
    list = parse(text, { intAsBigInt: true });
  } catch (cause) {
    throw new PricesError(`${name} is not YAML: ${(cause as Error).message}`, { cause });
  }

  const { version, services, ...rest } = asMap(list);
  for (const key of Object.keys(rest)) complain(key, "is not part of a price list");
  if (typeof version !== "string" || !/^[!-~]{1,64}$/.test(version)) {
    complain("version", "must be a text of 1 to 64 printable characters, in quotes");
  }
  if (Object.keys(asMap(services)).length === 0) {
    complain("services", "must name at least one service");
  }
  const prices = new Map<string, Price>();
  for (const [service, value] of Object.entries(asMap(services))) {
    const at = `services.${service}`;
    if (!/^[!-~]{1,128}$/.test(service)) complain(at, "is no name for a service");
    const price = parsePrice(value, (what, field) => complain(field ? `${at}.${field}` : at, what));
    if (price !== undefined) prices.set(service, price);
  }
  if (wrong.length > 0) throw new PricesError(`${name}: ${wrong.join("; ")}`);
  return { version: String(version), services: prices };
}

type Complain = (what: string, field?: string) => void;

function parsePrice(value: unknown, complain: Complain): Price | undefined {
  if (value === "free") return { kind: "free" };
  const [[kind, terms] = [undefined, undefined], ...more] = Object.entries(asMap(value));
  if (more.length > 0) complain("must be priced one way");
  switch (kind) {
    case "fixed":
      if (isPoints(terms)) return { kind, points: terms };
      complain(A_PRICE, kind);
      return undefined;
    case "quantity": {
      const range = parseRange(terms, ["points", "minimum", "maximum"], kind, complain);
      return { kind, ...range };
    }
    case "duration": {
      const range = parseRange(terms, ["points", "unit", "minimum", "maximum"], kind, complain);
      const unitNanos = parseUnit(asMap(terms)["unit"]);
      if (unitNanos === undefined) {
        complain("must be a time such as 500ms, 1s, 1m", "duration.unit");
      }
      return { kind, ...range, unitNanos: unitNanos ?? 1n };
    }
    default:
      complain("must be free, fixed, quantity or duration");
      return undefined;
  }
}

const A_PRICE = `must be a whole number of points, 0 to ${MAX_POINTS}`;

function parseRange(terms: unknown, known: readonly string[], kind: string, complain: Complain) {
  const fields = asMap(terms);
  for (const key of Object.keys(fields)) {
    if (!known.includes(key)) complain("is not part of a price", `${kind}.${key}`);
  }
  const points = (field: string, fallback?: bigint): bigint => {
    const value = fields[field] ?? fallback;
    if (isPoints(value)) return value;
    complain(A_PRICE, `${kind}.${field}`);
    return 0n;
  };
  const [minimum, maximum] = [points("minimum", 0n), points("maximum", MAX_POINTS)];
  if (minimum > maximum) complain("must not pass the maximum", `${kind}.minimum`);
  return { points: points("points"), minimum, maximum };
}

const UNIT_NANOS: Record<string, bigint> = {
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

function parseUnit(value: unknown): bigint | undefined {
  const [, count, unit] = /^([1-9]\d{0,5})(ms|s|m|h)$/.exec(String(value)) ?? [];
  return count === undefined || unit === undefined ? undefined : BigInt(count) * UNIT_NANOS[unit]!;
}

/** Whether a value is a number of points that one operation may move. */
function isPoints(value: unknown): value is bigint {
  return typeof value === "bigint" && value >= 0n && value <= MAX_POINTS;
}
