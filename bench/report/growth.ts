import { type Comparison, IN_FLIGHT } from "../compare.ts";
import type { AccountStage, LedgerStage } from "../growth.ts";
import type { Growth } from "../results.ts";
import { aboutText, plotsText, wrongText } from "./about.ts";
import { short, whole } from "./figures.ts";
import { type Column, markdownTable } from "./table.ts";

/** The results of growth, in Markdown. */
export function reportGrowth(growth: Growth, plots: readonly string[]): string {
  const { ledgers, accounts, leftOut, repeats, timing } = growth;
  const bySize = ledgers.toSorted((a, b) => a.accounts - b.accounts || a.entries - b.entries);
  const wrong = [...ledgers, ...accounts].flatMap((stage) => stage.wrong);
  return `# Speed and size

Written by \`npm run bench -- --growth\`.

${aboutText(growth)}

Unary Consume, ${IN_FLIGHT} in flight: medians of ${repeats} repeats of ${timing.seconds} s, in turn
with a small new ledger of ${whole(growth.small)} accounts, or with a new account.

- "Beside it" is how many times the operations a second of the small one, by the median of the
  repeats' ratios.
- Ledgers are made in bulk. Each account has two recharges; the entries named here are consumes on
  top of them.
- No checkpoint comes during these loads. The last two columns are right after one, when PostgreSQL
  logs the first change of each page with the whole page.
${plotsText(plots)}
## Ledgers

${ledgersTable(bySize)}
${leftOut.map((what) => `\n- Left out: ${what}.`).join("")}

## What they weigh

Bytes on disk, indexes included, and how much of it they are. An account is weighed with its lots.

${weightsTable(bySize)}

## One account

${accountsTable(accounts)}

A sample of each ledger's accounts was verified from the first entry on, and after each load the
equations were checked and answers counted: ${wrongText(wrong)}
`;
}

const SPEED: readonly Column<Comparison>[] = [
  ["op/s:", ({ large }) => whole(large.operationsPerSecond)],
  ["beside it:", ({ ratio }) => short(ratio)],
  ["p50:", ({ large }) => short(large.p50Ms)],
  ["p99:", ({ large }) => short(large.p99Ms)],
  ["µs server:", ({ large }) => whole(large.serverCpuMicros)],
  ["µs PostgreSQL:", ({ large }) => whole(large.postgresCpuMicros)],
];

function ledgersTable(ledgers: readonly LedgerStage[]): string {
  return markdownTable(ledgers, [
    ["accounts:", ({ accounts }) => whole(accounts)],
    ["entries:", ({ entries }) => whole(entries)],
    ...SPEED,
    ["WAL:", ({ large }) => whole(large.walBytes)],
    [
      "after a checkpoint, op/s:",
      ({ afterCheckpoint }) => whole(afterCheckpoint.operationsPerSecond),
    ],
    ["WAL:", ({ afterCheckpoint }) => whole(afterCheckpoint.walBytes)],
  ]);
}

function weightsTable(ledgers: readonly LedgerStage[]): string {
  return markdownTable(ledgers, [
    ["accounts:", ({ accounts }) => whole(accounts)],
    ["entries:", ({ entries }) => whole(entries)],
    ["an entry:", ({ weight }) => whole(weight.entry)],
    ["its indexes:", ({ weight }) => whole(weight.entryIndexes)],
    ["an account:", ({ weight }) => whole(weight.account)],
    ["its indexes:", ({ weight }) => whole(weight.accountIndexes)],
    ["made a second:", ({ seededPerSecond }) => whole(seededPerSecond)],
  ]);
}

function accountsTable(stages: readonly AccountStage[]): string {
  return markdownTable(stages, [
    ["lots:", ({ lots }) => whole(lots)],
    ["entries:", ({ entries }) => whole(entries)],
    ...SPEED,
  ]);
}
