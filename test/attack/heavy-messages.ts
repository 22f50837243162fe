import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  toBinary,
} from "@bufbuild/protobuf";
import { heavyValues, jsonWith } from "./heavy-json.ts";
import { heavyField, lengthed, unknownFields } from "./heavy-protobuf.ts";

/** A message that may be expensive. */
export type Heavy = { readonly what: string; readonly isJson: boolean; readonly content: Buffer };

/**
 * Messages of a type that are each heavy in one place: a field at any depth that is long, repeated
 * or of another type, or an unknown field. The rest of each message is a valid sample, so that it
 * gets as far as possible.
 */
export function* heavyMessages(
  schema: DescMessage,
  sample: JsonValue,
  maxBytes: number,
): Generator<Heavy> {
  const start = toBinary(schema, fromJson(schema, sample));
  const room = maxBytes - JSON.stringify(sample).length - FRAME_MAX_BYTES;
  for (const { path, owner, field } of placesIn(schema)) {
    const name = [...path, field ?? { name: "unknown" }].map((one) => one.name).join(".");
    const fields = field === undefined ? unknownFields(owner, room) : heavyField(field, room);
    for (const [what, bytes] of fields) {
      const inside = path.reduceRight((inner, { number }) => lengthed(number, inner), bytes);
      yield { what: `${name}: ${what}`, isJson: false, content: Buffer.concat([start, inside]) };
    }
    for (const [what, value] of heavyValues(field, room)) {
      const json = jsonWith(sample, [...path, field], value);
      yield { what: `${name}: ${what}`, isJson: true, content: Buffer.from(json) };
    }
  }
}

/** Room around the heavy part for tags, names and gRPC frames. */
const FRAME_MAX_BYTES = 200;
const DEPTH_MAX = 3;

type Place = {
  /** The fields of messages within messages. */
  readonly path: readonly DescField[];
  readonly owner: DescMessage;
  /** Undefined: an unknown field of the owner. */
  readonly field: DescField | undefined;
};

function placesIn(owner: DescMessage, path: readonly DescField[] = []): Place[] {
  const places = [...owner.fields, undefined].map((field): Place => ({ path, owner, field }));
  if (path.length === DEPTH_MAX) return places;
  const inner = owner.fields.filter(({ message }) => message !== undefined);
  return [...places, ...inner.flatMap((field) => placesIn(field.message!, [...path, field]))];
}
