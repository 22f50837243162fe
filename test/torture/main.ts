import { run } from "./run.ts";
const report = await run({ seconds: Number(process.argv[2] ?? 20), seed: Number(process.argv[3] ?? 1), urls: [], toleranceMs: 0,
 accountsPerRound: 500, roundMs: 10_000, faultPauseMs: 1500, batchers: 4, streamers: 2, loners: 6, log: console.log });
console.log(report.tally, report.checked.accounts, report.checked.entries, report.seconds, report.recoveries, report.faults);
console.log(report.checked.findings.slice(0, 20));
for (const s of report.checked.shown) console.log(s);
process.exitCode = report.checked.findings.length > 0 ? 1 : 0;
