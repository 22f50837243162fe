import { sql } from "kysely";
import { erase } from "../commit/erase.ts";
import { UserError } from "../errors/user-error.ts";
import type { Orm } from "../store/driver/orm.ts";
import { refuseAdvanced } from "../store/driver/test-clock.ts";
import { readArguments, required } from "./arguments.ts";
import { countText } from "./counts-text.ts";
import { withDatabase } from "./database.ts";

/**
 * `points erase USER`: erases what is personal of an account, and prints its new name. Without `--yes`
 * it says how much that would be, and the process exits with 1.
 */
export async function runErase(args: readonly string[]): Promise<void> {
  const { values, positionals } = readArguments(args, OPTIONS, ["USER"]);
  const userId = required(positionals[0], "USER");
  await withDatabase("writes", async (orm, config) => {
    if (values.yes !== true) {
      console.error(await foretell(orm, userId));
      process.exitCode = 1;
      return;
    }
    if (!config.testClock) await refuseAdvanced(orm.em.fork());
    const erased = await erase(orm, userId, { prefix: values.prefix });
    console.log(erased.userId);
    console.error(`erased ${what(erased)}. Backups, exports and logs of before still have it`);
  });
}

const OPTIONS = { yes: { type: "boolean" }, prefix: { type: "string" } } as const;

async function foretell(orm: Orm, userId: string): Promise<string> {
  const { rows } = await sql<{ entries: string; receipts: number; balance: string }>`
    select sequence as entries, receipts, balance from account where user_id = ${userId}`.execute(
    orm.em.fork().getKysely(),
  );
  const [account] = rows;
  if (account === undefined) throw new UserError(`there is no account ${userId}`);
  const { balance } = account;
  return `nothing was erased. With --yes, for ever: ${what(account)}, of an account with a balance of ${balance}`;
}

function what({ entries, receipts }: { entries: string | number; receipts: number }): string {
  const ofEntries = countText(BigInt(entries), "entry", "entries");
  return `what is personal in ${ofEntries} and ${countText(receipts, "receipt", "receipts")}`;
}
