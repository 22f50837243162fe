import type { DescField, JsonValue } from "@bufbuild/protobuf";

/** A JSON value, and the name of what it has much of. */
export type HeavyValue = readonly [what: string, json: string];

/** Values for a field, of the right or a wrong type, each as large as `room` allows. */
export function heavyValues(field: DescField | undefined, room: number): readonly HeavyValue[] {
  const digits = "9".repeat(room);
  const deep = Math.floor(room / 8);
  const list = (item: string) => `[${repeated(`${item},`, room).slice(0, -1)}]`;
  return [
    ["numbers", list("0")],
    ["objects", list("{}")],
    ["lists in lists", "[".repeat(deep) + "]".repeat(deep)],
    ["objects in objects", `${'{"a":'.repeat(deep)}1${"}".repeat(deep)}`],
    ["members", object(room, (n) => `"k${n}":${n}`)],
    ["bad members", object(room, (n) => `"k${n}":"\\u0000"`)],
    ["members with escapes", object(room, (n) => `"\\u006b${n}":""`)],
    ["a long text", `"${"a".repeat(room)}"`],
    ["a long text of escapes", `"${repeated("\\u0000", room)}"`],
    ["a long text of spaces", `"${" ".repeat(room)}1"`],
    ["spaces", `${" ".repeat(room)}0`],
    ["digits", digits],
    ["digits in quotes", `"${digits}"`],
    ["hexadecimal digits in quotes", `"0x${digits}"`],
    ["digits behind a point", `"1.${digits}"`],
    ["zeros behind a point", `1.${"0".repeat(room)}`],
    ["an exponent of 100,000", '"1e100000"'],
    ["an exponent of many digits", `1e${digits}`],
    ...valuesOfType(field, digits, list),
  ];
}

function valuesOfType(
  field: DescField | undefined,
  digits: string,
  list: (item: string) => string,
): readonly HeavyValue[] {
  if (field?.message?.typeName === "google.protobuf.Duration") {
    return [
      ["a long duration", `"${digits}s"`],
      ["a fine duration", `"1.${digits}s"`],
    ];
  }
  if (field?.message?.typeName === "google.protobuf.Timestamp") {
    return [
      ["a late time", `"${digits}-01-01T00:00:00Z"`],
      ["a fine time", `"2099-01-01T00:00:00.${digits}Z"`],
    ];
  }
  if (field?.fieldKind === "list" && field.listKind === "enum") {
    return [
      ["names", list(`"${field.enum.values.at(-1)!.name}"`)],
      ["names that are not defined", list('"X"')],
      ["numbers that are not defined", list("99")],
    ];
  }
  return [];
}

/**
 * The JSON of a sample with one value replaced.
 *
 * @param path the fields down to the value; undefined at its end: an unknown member
 */
export function jsonWith(
  sample: JsonValue,
  path: readonly (DescField | undefined)[],
  value: string,
): string {
  const [field, ...rest] = path;
  const members = (Array.isArray(sample) ? sample[0] : sample) as { [name: string]: JsonValue };
  const siblings = field?.oneof?.fields.map(({ jsonName }) => jsonName) ?? [];
  const others = Object.entries(members ?? {})
    .filter(([name]) => name !== field?.jsonName && !siblings.includes(name))
    .map(([name, other]) => `${JSON.stringify(name)}:${JSON.stringify(other)}`);
  const changed = field === undefined ? `"x":${value}` : `"${field.jsonName}":${inner()}`;
  return `{${[...others, changed].join()}}`;

  function inner(): string {
    if (rest.length === 0) return value;
    const text = jsonWith(members?.[field!.jsonName] ?? {}, rest, value);
    return field!.fieldKind === "list" ? `[${text}]` : text;
  }
}

function repeated(text: string, room: number): string {
  return text.repeat(Math.floor(room / text.length));
}

function object(room: number, member: (n: number) => string): string {
  const members: string[] = [];
  for (let left = room; left > 0;) {
    const next = member(members.length);
    left -= next.length + 1;
    members.push(next);
  }
  return `{${members.slice(0, -1).join()}}`;
}
