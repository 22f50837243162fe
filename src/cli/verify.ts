import { toTimestamptz } from "../store/driver/instant.ts";
import type { EpochCount } from "../verify/epochs.ts";
import { verify, type Wrong } from "../verify/verify.ts";
import { readAllArguments } from "./arguments.ts";
import { withDatabase } from "./database.ts";
import { startProgress } from "./progress.ts";

/**
 * `points verify [USER…]`: prints the mistakes of the schema, the first mistake of each account, the
 * epochs with their entries, and how much was read. The process then exits with 1 if there is a
 * mistake.
 */
export async function runVerify(args: readonly string[]): Promise<void> {
  const { positionals } = readAllArguments(args, {});
  const userIds = positionals.length === 0 ? undefined : positionals;
  const progress = startProgress();
  const onProgress = (read: Read) => progress.show(() => `${readText(read)} …`);
  const { accounts, entries, epochs, wrong, schema } = await withDatabase("reads", async (orm) => {
    try {
      return await verify(orm, { userIds, onProgress });
    } finally {
      progress.clear();
    }
  });
  const lines = [...schema.map((what) => `the schema: ${what}`), ...wrong.map(wrongText)];
  for (const line of lines) console.log(line);
  for (const epoch of epochs) console.log(epochText(epoch));
  const result = lines.length === 0 ? "all in order" : `${lines.length} wrong`;
  console.log(`${readText({ accounts, entries })}: ${result}`);
  if (lines.length > 0) process.exitCode = 1;
}

function wrongText({ userId, sequence, what }: Wrong): string {
  return `${userId}: ${sequence === undefined ? "" : `entry ${sequence}: `}${what}`;
}

function epochText({ epoch, entries, beginTime }: EpochCount): string {
  return `epoch ${epoch}, since ${toTimestamptz(beginTime)}: ${count(entries, "entry", "entries")}`;
}

type Read = { readonly accounts: number; readonly entries: number };

function readText({ accounts, entries }: Read): string {
  return `${count(accounts, "account", "accounts")}, ${count(entries, "entry", "entries")}`;
}

function count(many: number, one: string, more: string): string {
  return `${many.toLocaleString("en")} ${many === 1 ? one : more}`;
}
