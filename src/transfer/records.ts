import { isUtf8 } from "node:buffer";
import type { Readable } from "node:stream";
import { BadLine } from "./bad-line.ts";
import { type Columns, readHead, readRow } from "./csv.ts";
import { parseJson } from "./json.ts";
import { type Line, LINE_MAX_BYTES, readLines } from "./lines.ts";
import { recognizeFormat } from "./recognize.ts";

/** A line of a file: the fields of a JSON object, or the values of a CSV row by column. */
export type FileRecord =
  | {
      readonly line: number;
      readonly fields: Readonly<Record<string, unknown>>;
      /** The whole line. */
      readonly text: string;
    }
  | { readonly line: number; readonly bad: string };

/**
 * Reads a file of JSON lines, or of CSV with a head, line by line. A line that cannot be read becomes
 * a bad record. Empty lines and the head are left out.
 *
 * @param columns of CSV
 * @throws {UnreadableFile} if the file is neither, or its head is wrong
 */
export async function* readRecords(file: Readable, columns: Columns): AsyncGenerator<FileRecord> {
  const lines = skipEmpty(readLines(file));
  const first = await take(lines);
  if (first === undefined) return;
  const format = recognizeFormat(first.bytes);
  if (format.kind === "json") {
    yield readRecord(first, parseJson);
    for await (const line of lines) yield readRecord(line, parseJson);
    return;
  }
  const header = format.kind === "head" ? first : await take(lines);
  if (header === undefined) return;
  const head = readHead(header.bytes.toString(), columns, format.separator);
  for await (const line of lines) yield readRecord(line, (text) => readRow(text, head));
}

async function* skipEmpty(lines: AsyncIterable<Line>): AsyncGenerator<Line, undefined> {
  for await (const line of lines) if (line.bytes.some((byte) => byte > SPACE)) yield line;
}

const SPACE = 0x20;

async function take(lines: AsyncGenerator<Line, undefined>): Promise<Line | undefined> {
  return (await lines.next()).value;
}

function readRecord(
  line: Line,
  read: (text: string) => Readonly<Record<string, unknown>>,
): FileRecord {
  try {
    const text = textOf(line);
    return { line: line.number, fields: read(text), text };
  } catch (error) {
    if (!(error instanceof BadLine)) throw error;
    return { line: line.number, bad: error.message };
  }
}

function textOf({ bytes, isCut }: Line): string {
  if (isCut) throw new BadLine(`is longer than ${LINE_MAX_BYTES} bytes`);
  if (!isUtf8(bytes)) throw new BadLine("is no UTF-8");
  return bytes.toString();
}
