import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { BadLine, show } from "./bad-line.ts";
import { readTime } from "./time.ts";

/**
 * The message that a line says in protobuf's JSON. `fromJson` alone makes 16 of "0x10", 3 March of
 * 31 February, and a second of "1s5".
 *
 * @throws {BadLine} if it cannot be read, or would be read as something else than is written
 */
export function readMessage<Desc extends DescMessage>(
  schema: Desc,
  fields: Readonly<Record<string, unknown>>,
): MessageShape<Desc> {
  requireWritten(schema, fields);
  try {
    return fromJson(schema, fields as JsonValue);
  } catch (error) {
    throw new BadLine(ConnectError.from(error).rawMessage);
  }
}

/** What is of another type than its field, or no field at all, is left to `fromJson`. */
function requireWritten(schema: DescMessage, fields: object): void {
  for (const [name, value] of Object.entries(fields)) {
    const field = schema.fields.find((one) => one.jsonName === name || one.name === name);
    if (field === undefined) continue;
    const values: unknown[] = Array.isArray(value) ? value : [value];
    for (const one of values) requireValueWritten(field, name, one);
  }
}

function requireValueWritten({ message, scalar }: DescField, name: string, value: unknown): void {
  if (message?.typeName === TimestampSchema.typeName) {
    readTime(name, value);
  } else if (message?.typeName === DurationSchema.typeName) {
    requireLike(/^-?\d+(\.\d{1,9})?s$/, name, value);
  } else if (message !== undefined && typeof value === "object" && value !== null) {
    requireWritten(message, value);
  } else if (scalar === ScalarType.INT64 || scalar === ScalarType.INT32) {
    requireLike(/^(0|-?[1-9]\d*)$/, name, value);
  }
}

function requireLike(pattern: RegExp, name: string, value: unknown): void {
  if (typeof value !== "string" || pattern.test(value)) return;
  throw new BadLine(`${name} ${show(value)} is not written as protobuf's JSON is`);
}
