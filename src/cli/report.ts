import { readArguments, WrongUsage } from "./arguments.ts";
import { askReport, type Report } from "./ask-report.ts";
import { CLIENT_OPTIONS, printJson, withClient } from "./client.ts";
import { readReport, reportJson } from "./report-file.ts";
import { changesSince } from "./report-lines.ts";
import { readRange } from "./report-range.ts";
import { asOfText, type Booked, reportCsv, reportTable } from "./report-text.ts";

/**
 * `points report --month MONTH [USER-PREFIX]`: prints what users had at the beginning of a month, what
 * was added and taken in it, and what they had at its end. The columns add up. It exits with 1 if the
 * report is not complete.
 */
export async function runReport(args: readonly string[]): Promise<void> {
  const { values, positionals } = readArguments(args, OPTIONS, ["USER-PREFIX"]);
  const { user: userId, since } = values;
  const [userIdPrefix = ""] = positionals;
  if (userId !== "" && userIdPrefix !== "") {
    throw new WrongUsage("a report is of --user or of USER-PREFIX, and not of both");
  }
  const range = readRange(values);
  const print = printerOf(values);
  await withClient(values.server, async (_, __, ledger) => {
    const report = await askReport(ledger, range, { userId, userIdPrefix });
    print(report, since === undefined ? undefined : await bookedSince(since, report));
    if (!report.isComplete) process.exitCode = 1;
  });
}

const OPTIONS = {
  ...CLIENT_OPTIONS,
  month: { type: "string" },
  from: { type: "string" },
  until: { type: "string" },
  "time-zone": { type: "string", default: "UTC" },
  user: { type: "string", default: "" },
  format: { type: "string" },
  since: { type: "string" },
} satisfies Parameters<typeof readArguments>[1];

async function bookedSince(file: string, report: Report): Promise<Booked> {
  const { caughtUpTo, lines } = await readReport(file, report);
  return { since: caughtUpTo, changes: changesSince(lines, report.lines) };
}

type Print = (report: Report, booked: Booked | undefined) => void;

function printerOf({ format, json }: { format?: string; json?: boolean }): Print {
  const wanted = format ?? (json === true ? "json" : "table");
  const print = PRINTERS.get(wanted);
  if (print === undefined || (json === true && wanted !== "json")) {
    throw new WrongUsage(`--format takes one of ${[...PRINTERS.keys()].join(", ")}`);
  }
  return print;
}

const PRINTERS: ReadonlyMap<string, Print> = new Map<string, Print>([
  ["table", (report, booked) => console.log(reportTable(report, booked))],
  [
    "csv",
    (report, booked) => {
      process.stdout.write(reportCsv(report, booked));
      console.error(asOfText(report));
    },
  ],
  [
    "json",
    (report, booked) => {
      printJson(reportJson(report, booked));
      if (!report.isComplete) console.error(asOfText(report));
    },
  ],
]);
