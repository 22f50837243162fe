import { WrongUsage } from "./cli/arguments.ts";
import { help, helpFor } from "./cli/help.ts";
import { describeError } from "./errors/describe.ts";
import { UserError } from "./errors/user-error.ts";

type Run = (args: readonly string[]) => Promise<void>;

// Each loads no more than it needs: who asks for an account does not wait for the ORM.
const COMMANDS: ReadonlyMap<string, () => Promise<Run>> = new Map([
  ["serve", async () => (await import("./cli/serve.ts")).runServe],
  ["migrate", async () => (await import("./cli/migrate.ts")).runMigrate],
  ["sweep", async () => (await import("./cli/sweep.ts")).runSweep],
  ["verify", async () => (await import("./cli/verify.ts")).runVerify],
  ["import", async () => (await import("./cli/import.ts")).runImport],
  ["export", async () => (await import("./cli/export.ts")).runExport],
  ["account", async () => (await import("./cli/client.ts")).showAccount],
  ["recharge", async () => (await import("./cli/client.ts")).recharge],
  ["consume", async () => (await import("./cli/client.ts")).consume],
  ["statement", async () => (await import("./cli/client.ts")).showStatement],
]);

// Whoever reads it may have seen enough, as `head` does.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

const [command = "serve", ...args] = process.argv.slice(2);
try {
  await main();
} catch (error) {
  if (error instanceof WrongUsage) {
    const of = COMMANDS.has(command) ? `${command} ` : "";
    console.error(`points: ${error.message}. See: points ${of}--help`);
  } else {
    const isExpected = error instanceof UserError;
    console.error(isExpected ? `points: ${error.message}` : describeError(error));
  }
  process.exit(error instanceof WrongUsage ? 2 : 1);
}

async function main(): Promise<void> {
  if (["--help", "-h", "help"].includes(command)) return console.log(help());
  const load = COMMANDS.get(command);
  if (load === undefined) throw new WrongUsage(`there is no command ${command}`);
  if (args.includes("--help") || args.includes("-h")) return console.log(helpFor(command));
  const run = await load();
  await run(args);
}
