import type { Readable } from "node:stream";

/** A line of a file, without its newline and without the file's byte order mark. */
export type Line = {
  /** From 1. */
  readonly number: number;
  readonly bytes: Buffer;
  /** Whether the line is longer than `LINE_MAX_BYTES`. The rest is not in `bytes`. */
  readonly isCut: boolean;
};

export const LINE_MAX_BYTES = 1_048_576;
const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = Buffer.from("\uFEFF");

/**
 * Reads a file line by line, with a limit for each line. Node's readline has no limit, and also ends
 * a line at U+2028, which a JSON string may contain.
 */
export async function* readLines(file: Readable): AsyncGenerator<Line> {
  let number = 0;
  let parts: Buffer[] = [];
  let length = 0;
  const keep = (part: Buffer) => {
    const room = LINE_MAX_BYTES - length;
    length += part.length;
    if (room > 0) parts.push(part.subarray(0, room));
  };
  const take = (): Line => {
    const bytes = Buffer.concat(parts);
    const isCut = length > LINE_MAX_BYTES;
    number += 1;
    parts = [];
    length = 0;
    const isMarked = number === 1 && bytes.indexOf(BYTE_ORDER_MARK) === 0;
    return { number, isCut, bytes: isMarked ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes };
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
  if (length > 0) yield take();
}
