import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../config/environment.ts";
import { faultOf } from "../errors/database-fault.ts";
import { databaseNow } from "../store/driver/clock.ts";
import { toTimestamptz } from "../store/driver/instant.ts";
import type { Orm } from "../store/driver/orm.ts";
import { refuseAdvanced } from "../store/driver/test-clock.ts";
import { inSnapshot } from "../store/driver/transaction.ts";
import { emptyProjection } from "../store/projection/rebuild.ts";
import { readStanding, type Standing } from "../store/projection/standing.ts";
import { NO_TURN, takeTurn, type TurnState } from "../projection/turn.ts";
import { readArguments } from "./arguments.ts";
import { countText } from "./counts-text.ts";
import { withDatabase } from "./database.ts";
import { bar, rateText, startProgress } from "./progress.ts";

/**
 * `points project`: brings the index and the sums up to date, and says how far they are; with
 * `--rebuild` builds them anew. Killed at any moment, it is gone on with by the servers, or by itself.
 */
export async function runProject(args: readonly string[]): Promise<void> {
  const { values } = readArguments(args, { rebuild: { type: "boolean" } }, []);
  await withDatabase("writes", async (orm, config) => {
    if (!config.testClock) await refuseAdvanced(orm.em.fork());
    if (values.rebuild === true) await empty(orm, config);
    const { added, standing } = await catchUp(orm, config);
    const { searchKeys = [] } = standing;
    const keys = searchKeys.length === 0 ? "none" : searchKeys.join(", ");
    console.log(`added ${countText(added, "entry", "entries")}; keys of metadata: ${keys}`);
    const upTo = toTimestamptz(standing.caughtUpTo!);
    console.log(`all that was committed before ${upTo} is in the index and the sums`);
  });
}

const EMPTY_TRIES = 10;

async function empty(orm: Orm, { searchKeys }: Config): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await emptyProjection(orm, searchKeys);
    } catch (error) {
      if (faultOf(error) !== "timeout" || tries === EMPTY_TRIES) throw error;
    }
  }
}

/**
 * Takes turns, with the servers if there are any, until all that was committed before is added. It
 * waits for transactions that were under way then.
 */
async function catchUp(
  orm: Orm,
  { searchKeys = [] }: Config,
): Promise<{ added: number; standing: Standing }> {
  const started = await inSnapshot(orm, databaseNow);
  const since = performance.now();
  const progress = startProgress();
  let state = NO_TURN;
  let added = 0;
  try {
    for (;;) {
      const turn = await takeTurn(orm, state, searchKeys);
      ({ state } = turn);
      if (turn.step.kind === "done") added += turn.step.entries;
      const standing = await inSnapshot(orm, readStanding);
      if ((standing.caughtUpTo ?? 0n) >= started) return { added, standing };
      progress.show(() => `${placeText(standing, state)} ${rateText(added, "entries", since)}`);
      await sleep(turn.waitMs);
    }
  } finally {
    progress.clear();
  }
}

/** Feed numbers rise with transactions: their part is near that of the entries. */
function placeText({ epoch, feed }: Standing, { known: { horizon } }: TurnState): string {
  if (horizon === undefined || horizon.epoch !== epoch) return `epoch ${epoch}`;
  return bar(Number(feed) / Number(horizon.feed));
}
