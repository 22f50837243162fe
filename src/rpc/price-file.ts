import { fileURLToPath } from "node:url";
import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import {
  type PriceList as PriceListMessage,
  PriceListsSchema,
} from "../../gen/points/v1/prices_pb.ts";
import { readText } from "../config/reload.ts";
import { UserError } from "../errors/user-error.ts";
import { MAX_POINTS } from "../ledger/account.ts";
import type { PriceLists } from "../ledger/prices.ts";
import { toPriceLists } from "./price-lists.ts";
import { checkMessage, JsonInvalid } from "./strict-json.ts";
import { violationsOf } from "./validate.ts";
import { isObject, parseYaml } from "./yaml-file.ts";

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
  const file = parseYaml(text, (why, cause) => new PricesError(`${name} ${why}`, { cause }));
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
