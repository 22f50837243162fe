import { parseArgs } from "node:util";
import { auditDatabase } from "../support/audit.ts";
import { printReport } from "./report.ts";
import { run } from "./run.ts";

const HELP = `npm run torture -- [--minutes N | --seconds N] [--seed N] [--url URL …] [--tolerance-ms N]

Puts a load of random operations on Points, and checks the history of every account against the
rules, over the API alone. Without --url it starts a PostgreSQL and two servers of its own, and
breaks them as it goes. With --url it breaks nothing: the accounts that it makes there have names
that begin with "torture-", and stay.

  --minutes, --seconds  how long; 1 minute
  --seed                chooses the operations and the faults; of the time of day
  --url                 a server to check; several, if they share one database
  --tolerance-ms        by how much the database's clock may differ from this machine's; 0
  --verbose             tells of every fault`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    seconds: { type: "string" },
    seed: { type: "string" },
    url: { type: "string", multiple: true },
    "tolerance-ms": { type: "string" },
    verbose: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  },
});
if (values.help === true) {
  console.log(HELP);
  process.exit();
}

const report = await run({
  seconds: values.seconds === undefined ? 60 * Number(values.minutes ?? 1) : Number(values.seconds),
  seed: Number(values.seed ?? Date.now() % 1_000_000),
  urls: values.url ?? [],
  toleranceMs: Number(values["tolerance-ms"] ?? 0),
  accountsPerRound: 500,
  roundMs: 10_000,
  settleMs: 5_000,
  faultPauseMs: 1_500,
  endsWhenWrong: false,
  batchers: 4,
  streamers: 2,
  loners: 6,
  audit: auditDatabase,
  onFault: (line) => values.verbose === true && console.log(line),
  log: console.log,
});
printReport(report);
process.exitCode = report.checked.findings.length === 0 ? 0 : 1;
