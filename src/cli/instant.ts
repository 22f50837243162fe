import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { BadLine } from "../transfer/bad-line.ts";
import { readTime } from "../transfer/time.ts";
import { WrongUsage } from "./arguments.ts";

/**
 * Reads an instant with its time zone, such as 2030-01-31T12:00:00Z, or a day, which is its first instant
 * in UTC, as a protobuf Timestamp.
 *
 * @throws {WrongUsage} if it is none
 */
export function instant(text: string, name: string): Timestamp {
  try {
    const time = readTime(name, /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text);
    if (time !== undefined) return time;
  } catch (error) {
    throw error instanceof BadLine ? new WrongUsage(error.message) : error;
  }
  throw new WrongUsage(
    `${name} takes an instant such as 2030-01-31T12:00:00Z, or a day, and not ${text}`,
  );
}
