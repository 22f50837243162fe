import { WrongUsage } from "./cli/arguments.ts";
import { help, helpFor } from "./cli/help.ts";
import { describeError } from "./errors/describe.ts";
import { UserError } from "./errors/user-error.ts";

type Run = (args: readonly string[]) => Promise<void>;

// Each command loads only the modules it needs: `points account` does not wait for the ORM.
const COMMANDS: ReadonlyMap<string, () => Promise<Run>> = new Map([
  ["serve", async () => (await import("./cli/serve.ts")).runServe],
  ["migrate", async () => (await import("./cli/migrate.ts")).runMigrate],
  ["sweep", async () => (await import("./cli/sweep.ts")).runSweep],
  ["project", async () => (await import("./cli/project.ts")).runProject],
  ["root", async () => (await import("./cli/root.ts")).runRoot],
  ["verify", async () => (await import("./cli/verify.ts")).runVerify],
  ["import", async () => (await import("./cli/import.ts")).runImport],
  ["clock", async () => (await import("./cli/clock.ts")).runClock],
  ["erase", async () => (await import("./cli/erase.ts")).runErase],
  ["export", async () => (await import("./cli/export.ts")).runExport],
  ["account", async () => (await import("./cli/account.ts")).runAccount],
  ["recharge", async () => (await import("./cli/recharge.ts")).runRecharge],
  ["consume", async () => (await import("./cli/consume.ts")).runConsume],
  ["entry", async () => (await import("./cli/entry.ts")).runEntry],
  ["statement", async () => (await import("./cli/statement.ts")).runStatement],
  ["entries", async () => (await import("./cli/entries.ts")).runEntries],
  ["search", async () => (await import("./cli/search.ts")).runSearch],
  ["report", async () => (await import("./cli/report.ts")).runReport],
  ["expiring", async () => (await import("./cli/expiring.ts")).runExpiring],
  ["accounts", async () => (await import("./cli/accounts.ts")).runAccounts],
  ["overview", async () => (await import("./cli/overview.ts")).runOverview],
  ["policy", async () => (await import("./cli/policy.ts")).runPolicy],
  ["feed", async () => (await import("./cli/feed.ts")).runFeed],
  ["whoami", async () => (await import("./cli/whoami.ts")).runWhoami],
  ["forecast", async () => (await import("./cli/forecast.ts")).runForecast],
]);

const [command = "serve", ...args] = process.argv.slice(2);
// A reader of the output may close it early, as `head` does.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});
try {
  await runCommand();
} catch (error) {
  console.error(printable(error));
  process.exit(error instanceof WrongUsage ? 2 : 1);
}

async function runCommand(): Promise<void> {
  if (["--help", "-h", "help"].includes(command)) return console.log(help());
  const load = COMMANDS.get(command);
  if (load === undefined) throw new WrongUsage(`there is no command ${command}`);
  if (args.includes("--help") || args.includes("-h")) return console.log(helpFor(command));
  const run = await load();
  await run(args);
}

/** A sentence for mistakes that a person can mend, and a stack for bugs. */
function printable(error: unknown) {
  if (error instanceof WrongUsage) {
    const helpOf = COMMANDS.has(command) ? `${command} ` : "";
    return `points: ${error.message}. See: points ${helpOf}--help`;
  }
  return error instanceof UserError ? `points: ${error.message}` : describeError(error);
}
