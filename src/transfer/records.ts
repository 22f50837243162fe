import { parse } from "csv-parse";
import type { Readable } from "node:stream";

/** One record of a file: the fields of a JSON object, or of a row by the names of its columns. */
export type FileRecord =
  | { readonly line: number; readonly fields: Readonly<Record<string, unknown>>; text: string }
  | { readonly line: number; readonly bad: string };

export type Format = "ndjson" | "csv";

/**
 * Reads records one by one, with the number of the line that each begins or, in CSV, ends on. What
 * cannot be read as a record is one that is bad; empty lines are left out.
 */
export function readRecords(file: Readable, format: Format): AsyncIterable<FileRecord> {
  return format === "csv" ? readCsv(file) : readNdjson(file);
}

const LINE_MAX_BYTES = 1_048_576;
const NEWLINE = 0x0a;

async function* readNdjson(file: Readable): AsyncGenerator<FileRecord> {
  let number = 0;
  for await (const line of readLines(file)) {
    number += 1;
    if (line === undefined) {
      yield { line: number, bad: `is longer than ${LINE_MAX_BYTES} bytes` };
      continue;
    }
    const text = line.toString().replace(/^\uFEFF/, "").trim();
    if (text !== "") yield recordOf(number, text);
  }
}

function recordOf(line: number, text: string): FileRecord {
  try {
    const fields: unknown = JSON.parse(text);
    if (typeof fields === "object" && fields !== null && !Array.isArray(fields)) {
      return { line, fields: fields as Record<string, unknown>, text };
    }
    return { line, bad: "is no JSON object" };
  } catch (error) {
    return { line, bad: `is no JSON: ${(error as Error).message}` };
  }
}

/**
 * The lines of a file; undefined for one that is too long to keep. By hand, since readline also
 * ends a line at U+2028, which JSON may have in a string, and keeps lines of any length.
 */
async function* readLines(file: Readable): AsyncGenerator<Buffer | undefined> {
  let parts: Buffer[] = [];
  let bytes = 0;
  const keep = (part: Buffer) => {
    bytes += part.length;
    if (bytes <= LINE_MAX_BYTES) parts.push(part);
  };
  const take = () => {
    const line = bytes <= LINE_MAX_BYTES ? Buffer.concat(parts) : undefined;
    parts = [];
    bytes = 0;
    return line;
  };
  for await (const chunk of file as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      keep(chunk.subarray(start, end));
      start = end + 1;
      yield take();
    }
    keep(chunk.subarray(start));
  }
  if (bytes > 0) yield take();
}

type CsvRow = {
  readonly record: Record<string, string>;
  readonly info: { readonly lines: number; readonly error?: Error };
};

async function* readCsv(file: Readable): AsyncGenerator<FileRecord> {
  const skipped: FileRecord[] = [];
  const parser = parse({
    bom: true,
    columns: true,
    info: true,
    trim: true,
    skip_empty_lines: true,
    // Such rows are bad, and the others are read on.
    relax_column_count: true,
    skip_records_with_error: true,
    max_record_size: LINE_MAX_BYTES,
    on_skip: (error) => {
      const line = error !== undefined && "lines" in error ? Number(error["lines"]) : 0;
      skipped.push({ line, bad: error?.message ?? "cannot be read" });
      return undefined;
    },
  });
  file.on("error", (error) => parser.destroy(error));
  for await (const { record, info } of file.pipe(parser) as AsyncIterable<CsvRow>) {
    yield* skipped.splice(0);
    if (info.error === undefined) {
      yield { line: info.lines, fields: record, text: JSON.stringify(record) };
    } else {
      yield { line: info.lines, bad: info.error.message };
    }
  }
  yield* skipped;
}
