import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  toBinary,
} from "@bufbuild/protobuf";
import { heavyValues, jsonWith } from "./heavy-json.ts";
import { heavyField, lengthed, unknownFields } from "./heavy-protobuf.ts";

/** A message that may be hard work. */
export type Heavy = { readonly what: string; readonly isJson: boolean; readonly content: Buffer };

/**
 * Messages of a type that are each much in one place: a field at any depth that is long, or there
 * many times, or of another kind, and fields that the type has not. The rest of them is a sample
 * that is in order, so that they get as far as they can.
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

/** What is around the heavy part: tags, names, and the frames of gRPC. */
const FRAME_MAX_BYTES = 200;
const DEPTH_MAX = 3;

type Place = {
  /** Of messages in messages. */
  readonly path: readonly DescField[];
  readonly owner: DescMessage;
  /** Undefined: a field that the owner has not. */
  readonly field: DescField | undefined;
};

function placesIn(owner: DescMessage, path: readonly DescField[] = []): Place[] {
  const places = [...owner.fields, undefined].map((field): Place => ({ path, owner, field }));
  if (path.length === DEPTH_MAX) return places;
  const inner = owner.fields.filter(({ message }) => message !== undefined);
  return [...places, ...inner.flatMap((field) => placesIn(field.message!, [...path, field]))];
}
