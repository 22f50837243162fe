import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { parse } from "yaml";
import { asMap } from "../config/yaml-map.ts";

/**
 * Parses YAML as JSON for protobuf; a text that is no map gives an empty one.
 *
 * @param refuse makes the error of a text that is not YAML
 */
export function parseYaml(
  text: string,
  refuse: (why: string, cause: unknown) => Error,
): JsonObject {
  try {
    // Whole numbers become bigints, so that none is rounded; `<<` takes over another map.
    const parsed: unknown = parse(text, { intAsBigInt: true, merge: true });
    // Of a map that has itself in it, by an alias, no JSON can be made.
    return asMap(toJson(parsed)) as JsonObject;
  } catch (cause) {
    throw refuse(`is not YAML: ${(cause as Error).message}`, cause);
  }
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

/** Whether a value is a map. */
export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
