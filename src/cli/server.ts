import { createBatcher } from "../commit/batcher.ts";
import { commit, type Result } from "../commit/commit.ts";
import { ownerNumber } from "../commit/owner.ts";
import { readConfig } from "../config.ts";
import { openDatabase } from "../database.ts";
import type { Command } from "../ledger/command.ts";
import { serve } from "../serve.ts";
import { migrate } from "../store/migrate.ts";
import { sweep } from "../sweep.ts";
import { unusable } from "../usage.ts";
import { readArguments } from "./arguments.ts";
import { withDatabase } from "./database.ts";

/** `points serve`: until it is told to stop. */
export async function runServe(args: readonly string[]): Promise<void> {
  readArguments(args, {}, []);
  await serve(readConfig(process.env));
  // Whatever is left of a connection.
  process.exit();
}

/** `points migrate`: brings the schema up to date. */
export async function runMigrate(args: readonly string[]): Promise<void> {
  readArguments(args, {}, []);
  const config = readConfig(process.env);
  const database = await openDatabase(config);
  try {
    const names = await migrate(database.orm, config.serverRole).catch(unusable);
    console.log(names.length === 0 ? "the schema is up to date" : `applied ${names.join(", ")}`);
  } finally {
    await database.close();
  }
}

/** `points sweep`: books what has expired, once, beside servers that may be running. */
export async function runSweep(args: readonly string[]): Promise<void> {
  readArguments(args, {}, []);
  const accounts = await withDatabase("writes", (orm, { lanes, batchMaxOps, queueMaxOps }) => {
    const batcher = createBatcher<Command, Result>({
      lanes,
      ownerOf: ({ userId }) => ownerNumber(userId),
      run: (commands) => commit(orm, commands),
      batchMaxOps,
      queueMaxOps,
    });
    return sweep(orm, batcher.submit);
  });
  const noun = accounts === 1 ? "account" : "accounts";
  console.log(accounts === 0 ? "nothing was due" : `booked what was due on ${accounts} ${noun}`);
}
