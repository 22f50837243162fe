import { type Goal, goalsOf, isReached } from "../goals.ts";
import type { Measurement } from "../measure.ts";
import type { Growth, Results, RowResult } from "../results.ts";
import { inFlightOf, type Row } from "../rows.ts";
import { aboutText, plotsText, wrongText } from "./about.ts";
import { megabytes, short, whole } from "./figures.ts";
import { markdownTable } from "./table.ts";

/** The results of the rows, in Markdown: goals, figures, machine. */
export function reportRows(
  results: Results,
  growth: Growth | undefined,
  plots: readonly string[],
): string {
  const { rows, accounts, timing } = results;
  const rounds = Math.max(0, ...rows.map(({ repeats }) => repeats.length));
  const entries = rows.reduce((sum, row) => sum + row.entries, 0);
  const wrong = rows.flatMap((row) => row.wrong.map((what) => `${row.name}: ${what}`));
  return `# Speed

Written by \`npm run bench\`.

${aboutText(results)}

## Goals

${goalsTable(goalsOf(results, growth))}
${plotsText(plots)}
## Rows

Medians of ${rounds} rounds of ${timing.seconds} s a row, in turn. "Evenly" and "Zipf 1.0" are over
${whole(accounts)} accounts.

- In flight are calls, from start to answer; of the SQL function they are clients.
- p50, p99 and p99.9 are of a call, in ms. Of ApplyBatch a call is 1,000 operations.
- µs are CPU time an operation, and WAL is bytes an operation.
- A batch is the operations of one transaction.
- RSS is the most that the server had in RAM; with WORKERS=2 all of its three processes.
- The no-op RPC is the health check.
- The mix is 70% Consume, 10% Recharge, 10% Freeze and Settle, 10% GetOrCreate.

${rowsTable(rows)}

After each repeat the accounts that it touched were checked against the ledger's equations, and its
answers counted against the entries, ${whole(entries)} in all: ${wrongText(wrong)}
`;
}

/** A table of the goals, the measured values, and whether they reach the goals. */
export function goalsTable(goals: readonly Goal[]): string {
  return markdownTable(goals, [
    ["", ({ what }) => what],
    ["goal", ({ bound, limit }) => `${bound} ${limit}`],
    ["seen:", ({ seen }) => short(seen)],
    ["reached", (goal) => verdictOn(goal)],
  ]);
}

/** A repeat of a row, as a line for a terminal. */
export function lineOf({ name }: Row, measured: Measurement): string {
  const { operationsPerSecond, p50Ms, p99Ms, serverCpuMicros, postgresCpuMicros } = measured;
  const { loadCpuMicros, walBytes, batchOperations, serverRssBytes } = measured;
  const micros = [serverCpuMicros, postgresCpuMicros, loadCpuMicros].map(whole).join(" + ");
  const ram = `RSS ${megabytes(serverRssBytes)} MB`;
  return [
    name.padEnd(22),
    `${whole(operationsPerSecond).padStart(7)} op/s`,
    `p50 ${short(p50Ms)} p99 ${short(p99Ms)} ms`.padEnd(24),
    `server + PostgreSQL + load ${micros} µs`.padEnd(44),
    `WAL ${whole(walBytes)} B, batch ${short(batchOperations)}, ${ram}`,
  ].join("  ");
}

const WHAT: Readonly<Record<string, string>> = {
  noop: "no-op RPC",
  consume: "Consume",
  batch: "ApplyBatch",
  stream: "Apply stream",
  client: "Consume, client",
  batching: "Consume, batching",
  mix: "mix",
  function: "SQL function",
  orm: "ORM transaction",
  "workers-2": "Consume, WORKERS=2",
};
const ACCOUNTS: Readonly<Record<string, string>> = {
  evenly: "evenly",
  zipf: "Zipf 1.0",
  one: "one",
  team: "one, of 1,000 members with limits",
};

function verdictOn(goal: Goal): string {
  const reached = isReached(goal);
  return reached === undefined ? "not measured" : reached ? "yes" : "no";
}

function rowsTable(rows: readonly RowResult[]): string {
  return markdownTable(rows, [
    ["", ({ name }) => WHAT[name.split("/")[0]!]!],
    ["accounts", ({ kind, name }) => (kind === "noop" ? "–" : ACCOUNTS[name.split("/")[1]!]!)],
    ["in flight:", inFlightOf],
    ["op/s:", ({ median }) => whole(median.operationsPerSecond)],
    ["lowest – highest:", ({ repeats }) => rangeOf(repeats)],
    ["p50:", ({ median }) => short(median.p50Ms)],
    ["p99:", ({ median }) => short(median.p99Ms)],
    ["p99.9:", ({ median }) => short(median.p999Ms)],
    ["µs server:", ({ median }) => whole(median.serverCpuMicros)],
    ["µs PostgreSQL:", ({ median }) => whole(median.postgresCpuMicros)],
    ["µs load:", ({ median }) => whole(median.loadCpuMicros)],
    ["WAL:", ({ median }) => whole(median.walBytes)],
    ["batch:", ({ median }) => short(median.batchOperations)],
    ["RSS MB:", ({ median }) => megabytes(median.serverRssBytes)],
  ]);
}

function rangeOf(repeats: readonly Measurement[]): string {
  const speeds = repeats.map(({ operationsPerSecond }) => operationsPerSecond);
  return `${whole(Math.min(...speeds))} – ${whole(Math.max(...speeds))}`;
}
