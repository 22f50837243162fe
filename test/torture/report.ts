import type { FallenDue, Longest } from "./faults/fall-due.ts";
import type { Report } from "./run.ts";

/** Prints a run's report. */
export function printReport(report: Report): void {
  const { seed, seconds, tally, faults, recoveries, fallen, checked, streamed, audited } = report;
  const sum = (isCounted: (name: string) => boolean) =>
    [...tally].reduce((total, [name, count]) => total + (isCounted(name) ? count : 0), 0);
  const acknowledged = sum((name) => name.startsWith("applied"));
  const broken = [...faults.values()].reduce((total, count) => total + count, 0);
  const { lost, doubled, mismatch } = checked.wrong;
  const lines: [string, string | number][] = [
    ["Seed", seed],
    ["Seconds", Math.round(seconds)],
    ["Operations acknowledged", acknowledged],
    ["  a second, with all that was checked", Math.round(acknowledged / seconds)],
    ["  of them repeats", sum((name) => name === "applied before")],
    ["Operations refused", sum((name) => name.startsWith("refused"))],
    ["Not applied", sum((name) => name.startsWith("notApplied"))],
    ["Outcome unknown", sum((name) => name.startsWith("unknown"))],
    ["Entries checked", checked.entries],
    ["Accounts checked", checked.accounts],
    ...(audited === undefined ? [] : [["Entries audited", audited] as [string, number]]),
    ...(streamed === undefined ? [] : streamLines(streamed)),
    ["Faults", broken],
    ...[...faults]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([kind, count]): [string, number] => [`  ${kind}`, count]),
    ...(recoveries === undefined ? [] : recoveryLines(recoveries)),
    ...(fallen === undefined ? [] : fallenLines(fallen)),
    ["Lost", lost],
    ["Doubled", doubled],
    ["Otherwise wrong", mismatch],
  ];
  const width = Math.max(...lines.map(([name]) => name.length)) + 2;
  for (const [name, value] of lines) {
    const text = typeof value === "number" ? value.toLocaleString("en") : value;
    console.log(`${name.padEnd(width)}${text}`);
  }
  if (lost + doubled + mismatch === 0) return;
  console.log("\nWhat is wrong:");
  for (const { kind, what } of checked.findings) console.log(`- ${kind}: ${what}`);
  for (const account of checked.shown) console.log(`\n${account}`);
}

function streamLines(streamed: NonNullable<Report["streamed"]>): [string, string | number][] {
  const { entries, repeats, streams, rewinds, epochChanges, doubts, doubted } = streamed;
  const lags = streamed.lagsMs.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(lags[Math.ceil(share * lags.length) - 1]!);
  const ms = `${at(0.5)}, ${at(0.99)}, ${at(1)} ms (${lags.length.toLocaleString("en")} entries)`;
  return [
    ["Entries streamed", entries],
    ["  of them again, after a doubt", doubted],
    ["  repeats", repeats],
    ["  streams opened", streams],
    ["  of them at older cursors", rewinds],
    ["  epoch changes", epochChanges],
    ["  of them with entries in doubt", doubts],
    ["  lost behind an older cursor", streamed.lostBehindCursor],
    ["  from the answer: median, p99, longest", lags.length === 0 ? "never unbroken" : ms],
  ];
}

function fallenLines({ most, during, before }: FallenDue): [string, string][] {
  const line = ({ moments, ms }: Longest) =>
    moments === 0 ? "never with nothing broken" : `${Math.round(ms)} ms, in ${moments} moments`;
  return [
    ["Most lots and holds to fall due at once", most.toLocaleString("en")],
    ["  longest wait of all others then", line(during)],
    ["  and before that", line(before)],
  ];
}

function recoveryLines(recoveries: NonNullable<Report["recoveries"]>): [string, string][] {
  const { serverKilled, serverListened, postgresKilled } = recoveries;
  const ms = (value: number) => (value === 0 ? "never killed" : `${Math.round(value)} ms`);
  return [
    ["Longest until the next answer", ""],
    ["  of a killed server", ms(serverKilled)],
    ["  of its successor, listening", ms(serverListened)],
    ["  after PostgreSQL was killed", ms(postgresKilled)],
  ];
}
