import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { type Report, uncoveredOf } from "./ask-report.ts";
import { FIGURES, type Figures, type Line, NOTHING } from "./report-lines.ts";
import { type Column, table } from "./table.ts";
import { timeText } from "./time-text.ts";

/** What has changed since an earlier report of the same days. */
export type Booked = {
  /** As of when the earlier one is. Unset: its sums were being built. */
  readonly since: Timestamp | undefined;
  readonly changes: readonly Line[];
};

/** A report as a table for people, with what it is as of. */
export function reportTable(report: Report, booked: Booked | undefined): string {
  const { range, userId, userIdPrefix, lines } = report;
  const { from, until, timeZone } = range;
  const users = userIdPrefix === "" ? "all users" : `users ${userIdPrefix}…`;
  const title = `Points of ${userId || users} from ${from} until ${until} (${timeZone})`;
  const parts = [title, table(COLUMNS, lines.map(rowOf))];
  const uncovered = uncoveredOf(report);
  if (uncovered > 0n) parts.push(`${uncovered} more points were asked for, and nobody paid them.`);
  if (booked !== undefined) parts.push(bookedText(booked));
  return [...parts, asOfText(report)].join("\n\n");
}

function bookedText({ since, changes }: Booked): string {
  const then = since === undefined ? "the sums were being built" : `${timeText(since)} (UTC)`;
  if (changes.length === 0) return `Nothing of these days was booked since ${then}.`;
  const rows = changes.map((line) => [line.line, line.of, ...figuresOf(line).map(signText)]);
  return `Booked since ${then}:\n\n${table(COLUMNS, rows)}`;
}

/** As of when a report is, and what that means: a sentence or two. */
export function asOfText({ caughtUpTo, isComplete, range }: Report): string {
  if (caughtUpTo === undefined) {
    return "NOT COMPLETE: the sums are being built, and lack most.";
  }
  const asOf = `${timeText(caughtUpTo)} (UTC)`;
  if (!isComplete) {
    return `NOT COMPLETE: as of ${asOf}, and the report is until ${timeText(range.endTime)} (UTC).`;
  }
  return `As of ${asOf}. What is booked later for these days still changes it: see --since.`;
}

/** A report as CSV (RFC 4180), with four more columns if it says what was booked since. */
export function reportCsv({ lines, uncovered }: Report, booked: Booked | undefined): string {
  const titles = ["line", "of", ...FIGURES];
  const cells = (line: Line) => [line.line, inert(line.of), ...figuresOf(line).map(String)];
  const last = ({ line, of }: Line) => (line === "consumed" ? String(uncovered.get(of) ?? 0n) : "");
  if (booked === undefined) {
    return csv([[...titles, UNCOVERED], ...lines.map((line) => [...cells(line), last(line)])]);
  }
  const { changes } = booked;
  const isSame = (a: Line) => (b: Line) => a.line === b.line && a.of === b.of;
  const gone = changes.filter((change) => !lines.some(isSame(change)));
  const rows = [...lines, ...gone.map((line) => ({ ...line, ...NOTHING }))].map((line) => {
    const change = changes.find(isSame(line)) ?? NOTHING;
    return [...cells(line), ...figuresOf(change).map(String), last(line)];
  });
  return csv([[...titles, ...FIGURES.map((figure) => `${figure}_since`), UNCOVERED], ...rows]);
}

/** The title of the last column. */
const UNCOVERED = "uncovered";

/** A text that a caller chose, as one that no spreadsheet takes for a formula. */
function inert(text: string): string {
  return /^[=+\-@\t]/.test(text) ? `'${text}` : text;
}

function csv(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => `${row.map(quoted).join(",")}\r\n`).join("");
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

const COLUMNS: readonly Column[] = [
  { title: "line" },
  { title: "of" },
  ...FIGURES.map((title) => ({ title, toRight: true })),
];

function rowOf(line: Line): string[] {
  const isStanding = line.line === "opening" || line.line === "closing";
  const text = (value: bigint) => (isStanding ? String(value) : signText(value));
  const [entries, ...figures] = figuresOf(line);
  return [line.line, line.of, String(entries), ...figures.map(text)];
}

function figuresOf(figures: Figures): bigint[] {
  return FIGURES.map((figure) => figures[figure]);
}

function signText(value: bigint): string {
  return value > 0n ? `+${value}` : String(value);
}
