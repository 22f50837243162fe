import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { auditDatabase } from "../support/audit.ts";
import { openRunFolder } from "../support/run-folder.ts";
import { ALL_FAULTS } from "./faults/faults.ts";
import { printReport } from "./report.ts";
import { LONG, run, SLICE } from "./run.ts";

const HELP = `npm run torture -- [--minutes N | --seconds N] [--seed N] [--calm] [--target URL …]

Puts a load of random operations on Points, and checks the history of every account against the
rules, over the API alone. It starts a PostgreSQL, a synchronous standby of it and two servers of
its own, and breaks them as it goes; with --target it breaks nothing: the accounts that it makes
there have names that begin with "torture-", and stay. It ends with 1 if anything is wrong.

  --minutes, --seconds  how long; 1 minute
  --seed                chooses the operations and the faults; by default from the time of day
  --calm                breaks nothing
  --alone               does without the standby
  --only                injects only faults with this in their names, as "COMMIT" or "clock"
  --target              a server to check, http://host:port; several, if they share one database
  --token-file          with the token that these servers ask for; --caller then says whose it is
  --tolerance-ms        the clock skew to allow between the database and this machine; 0
  --slice               short rounds, and an end as soon as anything is wrong
  --verbose             tells of every fault`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    seconds: { type: "string" },
    seed: { type: "string" },
    calm: { type: "boolean" },
    alone: { type: "boolean" },
    only: { type: "string" },
    target: { type: "string", multiple: true },
    "token-file": { type: "string" },
    caller: { type: "string" },
    "tolerance-ms": { type: "string" },
    slice: { type: "boolean" },
    verbose: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  },
});
if (values.help === true) {
  console.log(HELP);
  process.exit();
}

const seconds =
  values.seconds === undefined ? 60 * Number(values.minutes ?? 1) : Number(values.seconds);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const tokenFile = values["token-file"];
const toleranceMs = Number(values["tolerance-ms"] ?? 0);
const hasStandby = values.alone !== true;
const faults = Object.fromEntries(
  Object.entries(ALL_FAULTS)
    .filter(([kind]) => kind.includes(values.only ?? ""))
    .filter(([kind]) => hasStandby || !kind.startsWith("standby")),
);
const areNumbers = [seconds, seed, toleranceMs].every((number) => number >= 0);
if (!areNumbers || Object.keys(faults).length === 0) {
  console.error(HELP);
  process.exit(2);
}

await openRunFolder();
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM"]) process.on(name, () => interrupted.abort());

const report = await run({
  signal: interrupted.signal,
  ...(values.slice === true ? SLICE : LONG),
  seconds,
  seed,
  toleranceMs,
  urls: values.target ?? [],
  token: tokenFile === undefined ? undefined : readFileSync(tokenFile, "utf8").trim(),
  caller: values.caller ?? "",
  faults: values.calm === true ? {} : faults,
  storage: { disk: undefined, settings: {}, hasStandby },
  audit: auditDatabase,
  onFault: (line) => values.verbose === true && console.log(line),
  log: console.log,
});
printReport(report);
// A run with findings may end while calls are still under way.
process.exit(report.checked.findings.length === 0 ? 0 : 1);
