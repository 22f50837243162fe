import { isUtf8 } from "node:buffer";
import { UnreadableFile } from "./bad-line.ts";

/** The format of a file, by its first line that is not empty. */
export type Format =
  | { readonly kind: "json" }
  /** CSV. That line names the columns. */
  | { readonly kind: "head"; readonly separator: undefined }
  /** CSV of Excel. That line is `sep=;`, and the next one names the columns. */
  | { readonly kind: "separator"; readonly separator: string };

/**
 * Recognizes the format of a file by its content.
 *
 * @param first its first line that is not empty
 * @throws {UnreadableFile} that says what the file seems to be instead
 */
export function recognizeFormat(first: Buffer): Format {
  for (const { begins, is } of BINARY) if (first.indexOf(begins, 0, "latin1") === 0) refuse(is);
  if (first.includes(0)) refuse(first.subarray(0, 2).includes(0) ? UTF_16 : "is no text");
  if (!isUtf8(first)) refuse('is no UTF-8: of Excel\'s formats save it as "CSV UTF-8"');
  const text = first.toString().trim();
  if (text.includes("\r")) refuse("ends its lines as old Macs do, by CR alone: end them by LF");
  for (const { begins, is } of TEXT) if (begins.test(text)) refuse(is);
  if (text.startsWith("{")) return { kind: "json" };
  const [, separator] = /^"?sep=([^\w"])"?$/i.exec(text) ?? [];
  return separator === undefined ? { kind: "head", separator } : { kind: "separator", separator };
}

function refuse(is: string): never {
  throw new UnreadableFile(is);
}

const UTF_16 =
  "is UTF-16, as Excel's \"Unicode Text\" and PowerShell are: of Excel's formats save it as " +
  '"CSV UTF-8"';

const BINARY = [
  { begins: "\xff\xfe", is: UTF_16 },
  { begins: "\xfe\xff", is: UTF_16 },
  { begins: "PK\x03\x04", is: "seems to be a spreadsheet or a zip archive: save it as CSV" },
  { begins: "\xd0\xcf\x11\xe0", is: "seems to be an old spreadsheet: save it as CSV" },
  { begins: "\x1f\x8b", is: 'is packed by gzip: unpack it by "gunzip"' },
  { begins: "PGDMP", is: "is a dump of pg_dump: write the table by psql's \\copy … csv header" },
];

const TEXT = [
  { begins: /^\{$/, is: 'is JSON over several lines: write one object a line, as "jq -c ." does' },
  { begins: /^\[/, is: 'is an array of JSON: write one object a line, as "jq -c .[]" does' },
  { begins: /^</, is: "seems to be XML or HTML, and not CSV or lines of JSON" },
  {
    begins: /^(--|\/\*|(copy|insert|create|set|select)\s)/i,
    is: "seems to be SQL: write the table by psql's \\copy … csv header",
  },
];
