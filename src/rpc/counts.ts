import { type DescField, type DescMessage, getOption, type MessageShape } from "@bufbuild/protobuf";
import {
  field as fieldRules,
  type FieldRules,
  Ignore,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

/** A field that breaks a limit of the contract, and how. */
export type Violation = { readonly field: string; readonly description: string };

/**
 * Finds the first list or map of a message, at any depth, that breaks its `max_items` or
 * `max_pairs`; undefined if none does. It counts items without validating them: a kilobyte of gzip
 * can hold a million invalid items, and validating those takes seconds.
 */
export function excessIn<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): Violation | undefined {
  for (const { field, most, description, inner } of countedIn(schema)) {
    const value = valueOf(message, field);
    if (value === undefined) continue;
    if (field.fieldKind !== "message" && sizeOf(value) > most) {
      return { field: field.name, description };
    }
    if (inner === undefined) continue;
    for (const [place, item] of itemsOf(field, value)) {
      const excess = excessIn(inner, item);
      if (excess !== undefined) return { ...excess, field: `${place}.${excess.field}` };
    }
  }
  return undefined;
}

/** A field of a message that is a list, a map or a message. */
type Counted = {
  readonly field: DescField;
  readonly most: number;
  readonly description: string;
  /** The type of its items, if those have to be counted in too. */
  readonly inner: DescMessage | undefined;
};

const counted = new Map<DescMessage, readonly Counted[]>();

function countedIn(schema: DescMessage): readonly Counted[] {
  const known = counted.get(schema);
  if (known !== undefined) return known;
  const found = schema.fields.flatMap((field) => countedAt(field, getOption(field, fieldRules)));
  counted.set(schema, found);
  return found;
}

/** The descriptions are those of protovalidate. */
function countedAt(field: DescField, { ignore, type }: FieldRules): readonly Counted[] {
  if (ignore === Ignore.ALWAYS) return [];
  switch (field.fieldKind) {
    case "list": {
      const { maxItems = 0n, items } = type.case === "repeated" ? type.value : {};
      const description = `must contain no more than ${maxItems} item(s)`;
      return [{ field, most: boundOf(maxItems), description, inner: innerOf(field, items) }];
    }
    case "map": {
      const { maxPairs = 0n, values } = type.case === "map" ? type.value : {};
      const description = `map must be at most ${maxPairs} entries`;
      return [{ field, most: boundOf(maxPairs), description, inner: innerOf(field, values) }];
    }
    case "message":
      return [{ field, most: 1, description: "", inner: field.message }];
    default:
      return [];
  }
}

function boundOf(max: bigint): number {
  return max === 0n ? Number.POSITIVE_INFINITY : Number(max);
}

/** Items whose rules are ignored are validated elsewhere, one by one. */
function innerOf(field: DescField, rules: FieldRules | undefined): DescMessage | undefined {
  return rules?.ignore === Ignore.ALWAYS ? undefined : field.message;
}

type Fields = { readonly [name: string]: unknown };

function valueOf(message: object, { oneof, localName }: DescField): object | undefined {
  const fields = message as Fields;
  if (oneof === undefined) return fields[localName] as object | undefined;
  const chosen = fields[oneof.localName] as { readonly case?: string; readonly value?: object };
  return chosen.case === localName ? chosen.value : undefined;
}

function sizeOf(value: object): number {
  return Array.isArray(value) ? value.length : Object.keys(value).length;
}

/** The messages in a field, each with its path. */
function itemsOf({ name, fieldKind }: DescField, value: object): (readonly [string, never])[] {
  if (fieldKind === "message") return [[name, value as never]];
  const places = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  const at = value as { readonly [key: string | number]: never };
  return places.map((key) => [`${name}[${JSON.stringify(key)}]`, at[key]!]);
}
