import { fileURLToPath } from "node:url";
import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { parse } from "yaml";
import {
  type PriceList as PriceListMessage,
  PriceListsSchema,
} from "../../gen/points/v1/prices_pb.ts";
import { readText } from "../config/reload.ts";
import { asMap } from "../config/yaml-map.ts";
import { UserError } from "../errors/user-error.ts";
import { MAX_POINTS } from "../ledger/account.ts";
import type { PriceLists } from "../ledger/prices.ts";
import { toPriceLists } from "./price-lists.ts";
import { checkMessage, JsonInvalid } from "./strict-json.ts";
import { violationsOf } from "./validate.ts";

/** The path of the price list that ships with Points. */
export const SHIPPED_PRICES = fileURLToPath(new URL("../../prices.yaml", import.meta.url));

/** Names mistakes in a file of prices, each with its place. */
export class PricesError extends UserError {}

/** The price lists of a file: as the ledger has them, and as the file does. */
export type Prices = {
  readonly lists: PriceLists;
  readonly messages: readonly PriceListMessage[];
};

/**
 * Reads a file of prices, and checks all of it.
 *
 * @throws {PricesError}
 */
export function readPrices(path: string): Prices {
  let text: string;
  try {
    text = readText(path);
  } catch (cause) {
    throw new PricesError(`cannot read the price list ${path}`, { cause });
  }
  return parsePrices(text, path);
}

/**
 * Parses the text of a file of prices: YAML of the contract's PriceLists in protobuf's JSON, or of a
 * single PriceList.
 *
 * @param name of the file, for errors
 * @throws {PricesError}
 */
export function parsePrices(text: string, name: string): Prices {
  const refuse = (wrong: readonly string[], cause?: unknown) =>
    new PricesError(`${name}: ${wrong.join("; ")}`, { cause });
  const file = parseYaml(text, name);
  const hasOneList = !("lists" in file);
  const json = expandFile(hasOneList ? { lists: [file] } : file);
  // A place as the file has it.
  const placeOf = (path: string) => {
    const inFile = path.replace("from_time", "from");
    return hasOneList ? inFile.replace(/^lists\[0\]\.?/, "") || "it" : inFile;
  };
  try {
    checkMessage(PriceListsSchema, json, "");
  } catch (error) {
    if (!(error instanceof JsonInvalid)) throw error;
    throw refuse([`${placeOf(error.field)} ${error.description}`], error);
  }
  const message = fromJson(PriceListsSchema, json);
  const violations = violationsOf(PriceListsSchema, message);
  const wrong = violations.map(({ field, description }) => `${placeOf(field)} ${description}`);
  if (wrong.length > 0) throw refuse(wrong);
  const lists = toPriceLists(message, (at, what) => wrong.push(`${placeOf(at)} ${what}`));
  if (wrong.length > 0) throw refuse(wrong);
  return { lists, messages: message.lists };
}

function parseYaml(text: string, name: string): JsonObject {
  let parsed: unknown;
  try {
    // Whole numbers become bigints, so that none is rounded; `<<` takes over another map.
    parsed = parse(text, { intAsBigInt: true, merge: true });
  } catch (cause) {
    throw new PricesError(`${name} is not YAML: ${(cause as Error).message}`, { cause });
  }
  return asMap(toJson(parsed)) as JsonObject;
}

/** Parsed YAML as JSON: a number that JSON would round becomes a text, as protobuf's JSON has it. */
function toJson(value: unknown): JsonValue {
  if (typeof value === "bigint") {
    const rounded = Number(value);
    return Number.isSafeInteger(rounded) ? rounded : String(value);
  }
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object" || value === null) return value as JsonValue;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, toJson(one)]));
}

/** The file with its short forms written out: `free`, `fixed: 5`, and no maximum. */
function expandFile(file: JsonObject): JsonObject {
  const { lists } = file;
  if (!Array.isArray(lists)) return file;
  return { ...file, lists: lists.map((list) => change(list, "services", expandServices)) };
}

function expandServices(services: JsonValue): JsonValue {
  if (!isObject(services)) return services;
  const prices = Object.entries(services);
  return Object.fromEntries(prices.map(([service, price]) => [service, expandPrice(price)]));
}

function expandPrice(price: JsonValue): JsonValue {
  const short = price === "free" ? { free: {} } : change(price, "fixed", expandFixed);
  const written = LIMITED.reduce((one, key) => change(one, key, expandMaximum), short);
  return change(written, "rows", (rows) => (Array.isArray(rows) ? rows.map(expandPrice) : rows));
}

function expandFixed(fixed: JsonValue): JsonValue {
  return isObject(fixed) ? fixed : { points: fixed };
}

const LIMITED = ["quantity", "duration", "metered"];

function expandMaximum(limited: JsonValue): JsonValue {
  return isObject(limited) ? { maximum: Number(MAX_POINTS), ...limited } : limited;
}

/** The object with another value under a key; the value itself if it has no such key. */
function change(value: JsonValue, key: string, to: (value: JsonValue) => JsonValue): JsonValue {
  if (!isObject(value) || value[key] === undefined || value[key] === null) return value;
  return { ...value, [key]: to(value[key]) };
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
