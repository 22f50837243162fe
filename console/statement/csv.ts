import { type DescField, type JsonValue, ScalarType, toJson } from "@bufbuild/protobuf";
import { type Entry, EntryKindSchema, EntrySchema } from "../../gen/points/v1/account_pb.ts";
import { PricedUsageSchema } from "../../gen/points/v1/prices_pb.ts";
import { hexOf } from "../parts/hex.ts";

// A column for each field of an entry, and for each of its usage, by the names of the API, so that a
// field that comes later is there too. The bytes are those of the hash alone.

/** The first line. A byte order mark tells spreadsheets that it is UTF-8. */
export function csvHead(): string {
  return `\uFEFF${lineOf(COLUMNS.map(({ title }) => title))}`;
}

/** An entry as a line: times as ISO in UTC, lists and maps as JSON, numbers in whole digits. */
export function csvLine(entry: Entry): string {
  const json = toJson(EntrySchema, entry, { useProtoFieldName: true }) as Fields;
  const usage = (json["usage"] ?? {}) as Fields;
  const said: Fields = {
    ...json,
    kind: EntryKindSchema.value[entry.kind]?.localName ?? String(entry.kind),
    hash: hexOf(entry.hash),
  };
  return lineOf(COLUMNS.map(({ name, ofUsage }) => textOf((ofUsage ? usage : said)[name])));
}

type Fields = Readonly<Record<string, JsonValue | undefined>>;

type Column = { readonly title: string; readonly name: string; readonly ofUsage: boolean };

const COLUMNS: readonly Column[] = EntrySchema.fields
  .filter((field) => !isBytes(field) || field.name === "hash")
  .flatMap(({ name }): Column[] =>
    name === "usage"
      ? PricedUsageSchema.fields.map((used) => {
          return { title: `usage.${used.name}`, name: used.name, ofUsage: true };
        })
      : [{ title: name, name, ofUsage: false }],
  );

function isBytes(field: DescField): boolean {
  return field.fieldKind === "scalar" && field.scalar === ScalarType.BYTES;
}

/** Nothing where a field is not set, which is where it is 0. */
function textOf(value: JsonValue | undefined): string {
  if (value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function lineOf(cells: readonly string[]): string {
  return `${cells.map(cellOf).join(",")}\r\n`;
}

/** A spreadsheet would take what begins so for a formula, and run it. */
const FORMULA = /^[=+\-@\t\r]/;

function cellOf(text: string): string {
  const harmless = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
