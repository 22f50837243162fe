import { readFile } from "node:fs/promises";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { UserError } from "../errors/user-error.ts";
import { type Report, uncoveredOf } from "./ask-report.ts";
import { asJson } from "./client.ts";
import { FIGURES, type Line, LINES } from "./report-lines.ts";
import type { Booked } from "./report-text.ts";

/** A report as JSON: points as strings, as protobuf's JSON has them. */
export function reportJson(report: Report, booked: Booked | undefined): JsonValue {
  const { caughtUpTo, isComplete, lines } = report;
  return {
    ...aboutOf(report),
    startTime: timeJson(report.range.startTime),
    endTime: timeJson(report.range.endTime),
    caughtUpTo: timeOrNull(caughtUpTo),
    isComplete,
    lines: lines.map(lineJson),
    uncovered: String(uncoveredOf(report)),
    ...(booked && {
      bookedSince: { caughtUpTo: timeOrNull(booked.since), lines: booked.changes.map(lineJson) },
    }),
  };
}

/**
 * Reads a file that `reportJson` was written to.
 *
 * @throws {UserError} if it is none, or of another ledger, other days or other users
 */
export async function readReport(
  file: string,
  report: Report,
): Promise<Pick<Report, "caughtUpTo" | "lines">> {
  const text = await readFile(file, "utf8").catch((error: Error) => {
    throw new UserError(`cannot read ${file}: ${error.message}`);
  });
  const earlier = parsed(text);
  const lines = listOf(earlier?.["lines"])?.map(lineOf);
  const caughtUpTo = timeOf(earlier?.["caughtUpTo"]);
  const isWhole = lines !== undefined && !lines.includes(undefined) && caughtUpTo !== null;
  if (earlier === undefined || !isWhole) {
    throw new UserError(`${file} is no report, as points report --format json writes it`);
  }
  for (const [name, value] of Object.entries(aboutOf(report))) {
    if (earlier[name] === value) continue;
    const [its, own] = [JSON.stringify(earlier[name]), JSON.stringify(value)];
    throw new UserError(`${file} is of another report: its ${name} is ${its}, and not ${own}`);
  }
  return { caughtUpTo, lines: lines.filter((line) => line !== undefined) };
}

/** What two reports must have in common to be compared. */
function aboutOf({ ledgerId, range, userId, userIdPrefix }: Report) {
  const { from, until, timeZone } = range;
  return { ledgerId, from, until, timeZone, userId, userIdPrefix };
}

function timeOrNull(time: Timestamp | undefined): JsonValue {
  return time === undefined ? null : timeJson(time);
}

function timeJson(time: Timestamp): JsonValue {
  return asJson(TimestampSchema, time);
}

function lineJson(line: Line): JsonValue {
  const figures = FIGURES.map((figure) => [figure, String(line[figure])] as const);
  return { line: line.line, of: line.of, ...Object.fromEntries(figures) };
}

type Fields = Readonly<Record<string, unknown>>;

function parsed(text: string): Fields | undefined {
  try {
    return fieldsOf(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A time that `timeOrNull` has written; null: it has not. */
function timeOf(value: unknown): Timestamp | undefined | null {
  if (value === null) return undefined;
  if (typeof value !== "string") return null;
  try {
    return fromJson(TimestampSchema, value);
  } catch {
    return null;
  }
}

/** A line; undefined: it is none. */
function lineOf(value: unknown): Line | undefined {
  const fields = fieldsOf(value);
  if (fields === undefined) return undefined;
  const line = LINES.find((name) => name === fields["line"]);
  const of = fields["of"];
  const [entries, held, debt, net] = FIGURES.map((figure) => numberOf(fields[figure]));
  if (line === undefined || typeof of !== "string" || entries === undefined) return undefined;
  if (held === undefined || debt === undefined || net === undefined) return undefined;
  return { line, of, entries, held, debt, net };
}

function numberOf(value: unknown): bigint | undefined {
  return typeof value === "string" && /^-?\d+$/.test(value) ? BigInt(value) : undefined;
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null ? (value as Fields) : undefined;
}

function listOf(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}
