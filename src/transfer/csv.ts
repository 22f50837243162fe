import { CsvError } from "csv-parse";
import { parse } from "csv-parse/sync";
import { BadLine, show, UnreadableFile } from "./bad-line.ts";

export type Columns = {
  readonly required: readonly string[];
  readonly optional: readonly string[];
};

/** The line that names the columns. */
export type Head = { readonly separator: string; readonly names: readonly string[] };

/**
 * Reads the head, with the columns in any order and in any case.
 *
 * @param separator of columns, if it is known
 * @throws {UnreadableFile} if a column is missing, unknown, repeated or without a name
 */
export function readHead(text: string, columns: Columns, separator?: string): Head {
  const all = [...columns.required, ...columns.optional];
  const heads = (separator === undefined ? SEPARATORS : [separator]).map((one) => {
    const names = cellsOf(text, one)?.map((name) => name.toLowerCase()) ?? [];
    return { separator: one, names, known: names.filter((name) => all.includes(name)).length };
  });
  const head = heads.reduce((best, one) => (one.known > best.known ? one : best));
  if (head.known === 0) {
    throw new UnreadableFile(
      `is neither lines of JSON nor CSV with a head: its first line, ${show(text)}, names none ` +
        `of the columns ${all.join(", ")}`,
    );
  }
  const { names } = head;
  for (const [index, name] of names.entries()) {
    if (name === "") throw new UnreadableFile(`has a column without a name, number ${index + 1}`);
    if (names.indexOf(name) !== index) throw new UnreadableFile(`has the column ${name} twice`);
    if (all.includes(name)) continue;
    const are = `the columns are ${all.join(", ")}`;
    throw new UnreadableFile(`has a column ${show(name)}, which means nothing here: ${are}`);
  }
  const missing = columns.required.filter((name) => !names.includes(name));
  if (missing.length > 0) throw new UnreadableFile(`has no column ${missing.join(", ")}`);
  return head;
}

/**
 * Reads a line into its columns. Each line is parsed by itself: no value may have a newline in it,
 * and a quote that is not closed spoils only its own line.
 *
 * @throws {BadLine} if it has more or fewer values than columns, if its quotes are wrong, or if a
 * program has replaced a value, as spreadsheets do
 */
export function readRow(text: string, { separator, names }: Head): Record<string, string> {
  const cells = parseRow(text, separator, names);
  if (cells.length !== names.length) {
    const values = cells.length === 1 ? "1 value" : `${cells.length} values`;
    throw new BadLine(`has ${values}, the head ${names.length} columns`);
  }
  for (const [index, cell] of cells.entries()) requireGenuine(names[index]!, cell);
  return Object.fromEntries(names.map((name, index) => [name, cells[index]!]));
}

const SEPARATORS = [",", ";", "\t", "|"];

function parseRow(text: string, separator: string, names: readonly string[]): string[] {
  // Fast path: creating a parser costs 20 times as much.
  if (!text.includes('"')) return text.split(separator).map((cell) => cell.trim());
  try {
    return parse(text, { delimiter: separator, trim: true })[0] ?? [];
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const name = names[Number(error["column"])];
    const of = name === undefined ? "a quote" : `the quote of ${name}`;
    if (error.code === "CSV_QUOTE_NOT_CLOSED") {
      throw new BadLine(`${of} opens on this line and is not closed on it`);
    }
    throw new BadLine(`${of} is within its value: quote all of it, and double the quotes in it`);
  }
}

/** The values of a line; undefined if it is not CSV. */
function cellsOf(text: string, separator: string): string[] | undefined {
  try {
    return parseRow(text, separator, []);
  } catch {
    return undefined;
  }
}

/**
 * Spreadsheets and data frames write digits in other forms, and may lose some of them. Here such a
 * value is a text, and would be taken for an id.
 */
function requireGenuine(name: string, cell: string): void {
  if (cell === "\\N") {
    throw new BadLine(`${name} is \\N, psql's null in text: write the file by \\copy … csv header`);
  }
  if (/^[+-]?\d+([.,]\d+)?E[+-]\d+$/i.test(cell)) {
    throw new BadLine(`${name} ${cell} was rounded by a spreadsheet: write all of its digits`);
  }
  if (/^[+-]?\d+\.0+$/.test(cell)) {
    throw new BadLine(`${name} ${cell} is a number with a fraction: write it in digits alone`);
  }
  if (cell.startsWith('="')) {
    throw new BadLine(`${name} ${cell} is a formula of a spreadsheet: write its value`);
  }
}
