import { type DescEnum, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";
import { isDuration, isTimestamp } from "./json-times.ts";

// Strict JSON: protobuf-es accepts more than protobuf's JSON mapping allows. It reads "0x10" as 16,
// and 31 February as 3 March, but a typo must not become points. So JSON is checked before
// protobuf-es reads it. protobuf-es itself refuses doubled members.

type JsonOptions = NonNullable<NonNullable<Parameters<ConnectRouter["rpc"]>[2]>["jsonOptions"]>;

/** JSON that does not match the type of the request. */
export class JsonInvalid extends Error {
  /** As the contract names it, such as `operations[0].consume.points`. */
  readonly field: string;
  readonly description: string;

  constructor(field: string, description: string) {
    super(field === "" ? `the request ${description}` : `${field} ${description}`);
    this.field = field;
    this.description = description;
  }
}

/**
 * Options by which Connect reads the JSON of a method strictly, in every protocol that has JSON.
 *
 * @param jsonOptions the others
 */
export function strictJsonOptions(
  jsonOptions: JsonOptions,
): (method: { readonly input: DescMessage }) => JsonOptions {
  return ({ input }) => {
    // Connect passes these options to the parser, which decodes its text by them. Only here are
    // both the bytes and the request's type known, whatever the protocol.
    const textDecoder = { decode: (bytes: Uint8Array) => strictText(input, bytes) };
    return { ...jsonOptions, ignoreUnknownFields: false, textDecoder };
  };
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** @throws {JsonInvalid} if protobuf-es would read a value other than the written one */
function strictText(desc: DescMessage, bytes: Uint8Array): string {
  let text: string;
  let json: unknown;
  try {
    text = UTF8.decode(bytes);
    json = JSON.parse(text);
  } catch {
    throw new JsonInvalid("", "is not JSON in UTF-8");
  }
  checkMessage(desc, json, "");
  return text;
}

/**
 * Checks that JSON is what protobuf's JSON mapping allows for a message.
 *
 * @param path of the message, for errors; empty: it is the whole
 * @throws {JsonInvalid}
 */
export function checkMessage(desc: DescMessage, json: unknown, path: string): void {
  if (desc.typeName === TimestampSchema.typeName) {
    return must(isTimestamp(json), path, "must be a time such as 2030-01-31T12:00:00Z");
  }
  if (desc.typeName === DurationSchema.typeName) {
    return must(isDuration(json), path, "must be seconds such as 90s or 0.25s");
  }
  const members = membersOf(json, path);
  const fields = fieldsOf(desc);
  const seen = new Set<unknown>();
  for (const [name, value] of members) {
    const field = fields.get(name);
    if (field === undefined) {
      throw new JsonInvalid(within(path, name), `is no field of ${desc.typeName}`);
    }
    const at = within(path, field.name);
    must(!seen.has(field), at, `is there twice, as ${field.jsonName} and ${field.name}`);
    seen.add(field);
    if (value === null) continue;
    if (field.oneof !== undefined) {
      const others = field.oneof.fields.map((each) => each.jsonName).join(", ");
      const isFirst = !seen.has(field.oneof);
      must(isFirst, within(path, field.oneof.name), `takes one of ${others}`);
      seen.add(field.oneof);
    }
    checkField(field, value, at);
  }
}

function checkField(field: DescField, json: unknown, path: string): void {
  switch (field.fieldKind) {
    case "list": {
      if (!Array.isArray(json)) throw new JsonInvalid(path, "must be a list");
      json.forEach((item, index) => checkItem(field, item, `${path}[${index}]`));
      return;
    }
    case "map":
      for (const [key, value] of membersOf(json, path)) {
        checkItem(field, value, `${path}[${JSON.stringify(key)}]`);
      }
      return;
    default:
      checkItem(field, json, path);
  }
}

/** Checks the value of a field, or one item of a list or map. */
function checkItem(field: DescField, json: unknown, path: string): void {
  if (field.message !== undefined) checkMessage(field.message, json, path);
  else if (field.enum !== undefined) checkEnum(field.enum, json, path);
  else if (field.scalar !== undefined) checkScalar(field.scalar, json, path);
}

function checkEnum(desc: DescEnum, json: unknown, path: string): void {
  const isKnown =
    typeof json === "number"
      ? Number.isSafeInteger(json)
      : desc.values.some(({ name }) => name === json);
  must(isKnown, path, `must be a value of ${desc.typeName}`);
}

function checkScalar(type: ScalarType, json: unknown, path: string): void {
  switch (type) {
    case ScalarType.STRING:
      must(typeof json === "string", path, "must be a string");
      return must((json as string).isWellFormed(), path, "has half a surrogate pair in it");
    case ScalarType.BOOL:
      return must(typeof json === "boolean", path, "must be true or false");
    case ScalarType.BYTES:
      return must(typeof json === "string" && BASE64.test(json), path, "must be base64");
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return must(Number.isFinite(json), path, "must be a number");
    default:
      return checkWhole(RANGES[type], json, path);
  }
}

/** Checks an integer: digits in a string, or a number that JSON.parse cannot have rounded. */
function checkWhole([least, most]: Range, json: unknown, path: string): void {
  if (typeof json === "number") {
    must(Number.isInteger(json), path, "must be a whole number");
    must(Number.isSafeInteger(json), path, "is too large for a number: write it as a string");
  } else {
    const isDigits = typeof json === "string" && DIGITS.test(json);
    must(isDigits, path, "must be a whole number, in decimal digits");
  }
  const whole = BigInt(json as string | number);
  must(least <= whole && whole <= most, path, `must be from ${least} to ${most}`);
}

// No leading zero, which looks octal, and no more digits than 64 bits have.
const DIGITS = /^-?(0|[1-9][0-9]{0,19})$/;
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

type Range = readonly [least: bigint, most: bigint];

const INT32: Range = [-(2n ** 31n), 2n ** 31n - 1n];
const UINT32: Range = [0n, 2n ** 32n - 1n];
const INT64: Range = [-(2n ** 63n), 2n ** 63n - 1n];
const UINT64: Range = [0n, 2n ** 64n - 1n];

const RANGES = {
  [ScalarType.INT32]: INT32,
  [ScalarType.SINT32]: INT32,
  [ScalarType.SFIXED32]: INT32,
  [ScalarType.UINT32]: UINT32,
  [ScalarType.FIXED32]: UINT32,
  [ScalarType.INT64]: INT64,
  [ScalarType.SINT64]: INT64,
  [ScalarType.SFIXED64]: INT64,
  [ScalarType.UINT64]: UINT64,
  [ScalarType.FIXED64]: UINT64,
} as const;

function membersOf(json: unknown, path: string): [string, unknown][] {
  const isObject = typeof json === "object" && json !== null && !Array.isArray(json);
  if (!isObject) throw new JsonInvalid(path, "must be an object");
  return Object.entries(json);
}

const fieldsByName = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

/** The fields of a message by both of their names, in JSON and in the contract. */
function fieldsOf(desc: DescMessage): ReadonlyMap<string, DescField> {
  const known = fieldsByName.get(desc);
  if (known !== undefined) return known;
  const fields = new Map(
    desc.fields.flatMap((field) => [
      [field.name, field] as const,
      [field.jsonName, field] as const,
    ]),
  );
  fieldsByName.set(desc, fields);
  return fields;
}

function within(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function must(isTrue: boolean, field: string, description: string): void {
  if (!isTrue) throw new JsonInvalid(field, description);
}
