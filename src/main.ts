import { WrongUsage } from "./cli/arguments.ts";
import { help, helpFor } from "./cli/help.ts";
import { ConfigError } from "./config.ts";
import { describeError } from "./describe-error.ts";
import { EmbeddedFailure } from "./embedded.ts";
import { PricesError } from "./prices.ts";
import { UsageError } from "./usage.ts";

type Run = (args: readonly string[]) => Promise<void>;

// Each loads no more than it needs: who asks for an account does not wait for the ORM.
const COMMANDS: ReadonlyMap<string, () => Promise<Run>> = new Map([
  ["serve", async () => (await import("./cli/server.ts")).runServe],
  ["migrate", async () => (await import("./cli/server.ts")).runMigrate],
  ["sweep", async () => (await import("./cli/server.ts")).runSweep],
  ["verify", async () => (await import("./cli/verify.ts")).runVerify],
  ["import", async () => (await import("./cli/import.ts")).runImport],
  ["export", async () => (await import("./cli/export.ts")).runExport],
  ["account", async () => (await import("./cli/client.ts")).showAccount],
  ["recharge", async () => (await import("./cli/client.ts")).recharge],
  ["consume", async () => (await import("./cli/client.ts")).consume],
  ["statement", async () => (await import("./cli/client.ts")).showStatement],
]);

/** What a person can mend: a sentence says it, and no stack. */
const EXPECTED = [UsageError, ConfigError, EmbeddedFailure, PricesError];

// Whoever reads it may have seen enough, as `head` does.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

const [command = "serve", ...args] = process.argv.slice(2);
try {
  await main();
} catch (error) {
  const expected = EXPECTED.some((kind) => error instanceof kind);
  if (error instanceof WrongUsage) {
    const of = COMMANDS.has(command) ? `${command} ` : "";
    console.error(`points: ${error.message}. See: points ${of}--help`);
  } else {
    console.error(expected ? `points: ${(error as Error).message}` : describeError(error));
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
