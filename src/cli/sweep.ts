import { commit } from "../commit/commit.ts";
import { createGroupCommit } from "../commit/group-commit.ts";
import { sweep } from "../commit/sweep.ts";
import { refuseAdvanced } from "../store/driver/test-clock.ts";
import { readArguments } from "./arguments.ts";
import { withDatabase } from "./database.ts";

/** `points sweep`: books everything that is due, once. Servers may be running. */
export async function runSweep(args: readonly string[]): Promise<void> {
  readArguments(args, {}, []);
  const accounts = await withDatabase("writes", async (orm, config) => {
    if (!config.testClock) await refuseAdvanced(orm.em.fork());
    const { submit } = createGroupCommit({ ...config, run: (commands) => commit(orm, commands) });
    return sweep(orm, submit);
  });
  const noun = accounts === 1 ? "account" : "accounts";
  console.log(accounts === 0 ? "nothing was due" : `booked what was due on ${accounts} ${noun}`);
}
