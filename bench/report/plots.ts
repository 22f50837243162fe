import type { LedgerStage } from "../growth.ts";
import type { Measurement } from "../measure.ts";
import type { RowResult } from "../results.ts";
import { whole } from "./figures.ts";
import { type Axis, drawPlot, type Line, linearMarks, logMarks, type Plot } from "./plot.ts";

/** SVG files by name. */
export type Plots = Readonly<Record<string, string>>;

/** Throughput and p99 by calls in flight, with the baselines, evenly spread and on one account. */
export function plotsOfRows(rows: readonly RowResult[], prefix: string): Plots {
  const plots: Record<string, string> = {};
  for (const [accounts, title] of Object.entries(ACCOUNTS)) {
    const throughput = linesOf(rows, accounts, (median) => median.operationsPerSecond);
    const p99 = linesOf(rows, accounts, (median) => median.p99Ms);
    if (throughput.length === 0) continue;
    plots[`${prefix}throughput-${accounts}.svg`] = drawPlot({
      title: `Operations a second, ${title}`,
      x: IN_FLIGHT,
      y: throughputAxis(throughput),
      lines: throughput,
    });
    plots[`${prefix}p99-${accounts}.svg`] = drawPlot({
      title: `99th percentile of latency, ${title}`,
      x: IN_FLIGHT,
      y: { label: "milliseconds", marks: logMarks(valuesOf(p99)), scale: "log" },
      lines: p99,
    });
  }
  return plots;
}

/** Throughput by the number of entries in a ledger. */
export function plotsOfGrowth(stages: readonly LedgerStage[], prefix: string): Plots {
  const byAccounts = Map.groupBy(stages, ({ accounts }) => accounts);
  const lines = [...byAccounts].map(([accounts, ledgers]) => ({
    name: `${whole(accounts)} accounts`,
    points: ledgers.map(
      ({ entries, large }) => [2 * accounts + entries, large.operationsPerSecond] as const,
    ),
  }));
  if (lines.length === 0) return {};
  const sizes = lines.flatMap(({ points }) => points.map(([size]) => size));
  const plot: Plot = {
    title: "Operations a second of unary Consume, 256 in flight",
    x: { label: "entries in the ledger", marks: logMarks(sizes), scale: "log" },
    y: throughputAxis(lines),
    lines,
  };
  return { [`${prefix}growth.svg`]: drawPlot(plot) };
}

const ACCOUNTS = { evenly: "over all accounts evenly", one: "on one account" } as const;
const LINES = {
  consume: "Consume",
  function: "SQL function",
  orm: "ORM transaction",
  noop: "no-op RPC",
} as const;
const IN_FLIGHT = {
  label: "calls in flight; clients, of the SQL function",
  marks: [1, 8, 64, 256, 1_024],
  scale: "log",
} as const;

function linesOf(
  rows: readonly RowResult[],
  accounts: string,
  figure: (median: Measurement) => number,
): Line[] {
  return Object.entries(LINES).flatMap(([what, name]) => {
    const own = rows.filter((row) => row.name.startsWith(`${what}/${accounts}/`));
    // A row in which nothing was done in time has no point.
    const points = own
      .map(({ inFlight, median }) => [inFlight, figure(median)] as const)
      .filter(([, value]) => value > 0);
    return points.length === 0 ? [] : [{ name, points }];
  });
}

function throughputAxis(lines: readonly Line[]): Axis {
  const marks = linearMarks(valuesOf(lines));
  return { label: "operations a second", marks, scale: "linear" };
}

function valuesOf(lines: readonly Line[]): number[] {
  return lines.flatMap(({ points }) => points.map(([, value]) => value));
}
