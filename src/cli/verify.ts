import { toTimestamptz } from "../store/driver/instant.ts";
import type { EpochCount } from "../verify/epochs.ts";
import { verify, type Wrong } from "../verify/verify.ts";
import { readAllArguments, WrongUsage } from "./arguments.ts";
import { countsText, countText } from "./counts-text.ts";
import { withDatabase } from "./database.ts";
import { startProgress } from "./progress.ts";
import { verifyRoot } from "./verify-root.ts";

/**
 * `points verify [USER…]`: prints the mistakes of the schema, the first mistake of each account, what
 * is not as a kept root has it, the epochs with their entries, and how much was read. The process then
 * exits with 1 if there is a mistake.
 */
export async function runVerify(args: readonly string[]): Promise<void> {
  const { values, positionals } = readAllArguments(args, {
    root: { type: "string" },
    accounts: { type: "string" },
  });
  const userIds = positionals.length === 0 ? undefined : positionals;
  const { root, accounts: accountsFile } = values;
  if (root === undefined && accountsFile !== undefined) throw new WrongUsage("--root is missing");
  if (root !== undefined && userIds !== undefined) {
    throw new WrongUsage("there are USER and --root, which is of all accounts");
  }
  const progress = startProgress();
  const onProgress = (read: Parameters<typeof countsText>[0]) =>
    progress.show(() => `${countsText(read)} …`);
  const { verified, ofRoot } = await withDatabase("reads", async (orm) => {
    try {
      const done = await verify(orm, { userIds, onProgress });
      if (root === undefined) return { verified: done, ofRoot: [] };
      return { verified: done, ofRoot: await verifyRoot(orm, { root, accounts: accountsFile }) };
    } finally {
      progress.clear();
    }
  });
  const { accounts, entries, epochs, wrong, schema } = verified;
  const ofSchema = schema.map((what) => `the schema: ${what}`);
  const lines = [...ofSchema, ...wrong.map(wrongText), ...ofRoot];
  for (const line of lines) console.log(line);
  for (const epoch of epochs) console.log(epochText(epoch));
  const inOrder = root === undefined ? "all in order" : "all in order, and the root is the same";
  const result = lines.length === 0 ? inOrder : `${lines.length} wrong`;
  console.log(`${countsText({ accounts, entries })}: ${result}`);
  if (lines.length > 0) process.exitCode = 1;
}

function wrongText({ userId, sequence, what }: Wrong): string {
  return `${userId}: ${sequence === undefined ? "" : `entry ${sequence}: `}${what}`;
}

function epochText({ epoch, entries, beginTime }: EpochCount): string {
  return `epoch ${epoch}, since ${toTimestamptz(beginTime)}: ${countText(entries, "entry", "entries")}`;
}
