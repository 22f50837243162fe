import { UserError } from "../errors/user-error.ts";
import { toTimestamptz } from "../store/driver/instant.ts";
import { advanceTestClock, lengthText, readTestClock } from "../store/driver/test-clock.ts";
import { duration, readArguments, required, WrongUsage } from "./arguments.ts";
import { withDatabase } from "./database.ts";

/** `points clock [advance LENGTH]`: shows a ledger's clock for tests, after it has set it forward. */
export async function runClock(args: readonly string[]): Promise<void> {
  const { positionals } = readArguments(args, {}, ["advance", "LENGTH"]);
  const [verb, length] = positionals;
  if (verb !== undefined && verb !== "advance") {
    throw new WrongUsage(`clock takes advance, and not ${verb}`);
  }
  const by = verb === undefined ? undefined : lengthOf(required(length, "LENGTH"));
  const clock = await withDatabase(by === undefined ? "reads" : "writes", (orm) =>
    by === undefined ? readTestClock(orm.em.fork()) : advanceTestClock(orm, by),
  );
  if (clock === undefined) {
    throw new UserError(
      "this ledger has no clock for tests: only a server that is started with TEST_CLOCK=1 gives it one",
    );
  }
  console.log(`${toTimestamptz(clock.now)}, ahead by ${lengthText(clock.ahead)}`);
}

/** In microseconds. */
function lengthOf(text: string): bigint {
  const { seconds, nanos } = duration(text, "LENGTH");
  const length = seconds * 1_000_000n + BigInt(nanos) / 1_000n;
  if (length === 0n) throw new WrongUsage("LENGTH takes more than 0");
  return length;
}
