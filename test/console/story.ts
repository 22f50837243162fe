import type { Orm } from "../../src/store/driver/orm.ts";
import { adaScenes } from "./story/ada.ts";
import { HOSTILE_PRICES, hostileScenes } from "./story/hostile.ts";
import { GRACE, OTHERS, TEAM } from "./story/others.ts";
import { tell } from "./story/tell.ts";

/**
 * Writes what the console's pictures and tests show into a ledger: six weeks of a small video product,
 * that end at an instant. Of `ada` there is everything; `grace` owes, `team-lighthouse` is shared, and
 * thirty others are there to be summed up.
 */
export async function tellStory(orm: Orm, nowMs = Date.now()): Promise<void> {
  await tell(orm, [...adaScenes(), ...TEAM, ...GRACE, ...OTHERS], { nowMs });
}

/** Writes accounts of which each text is an attack: see `HOSTILE_USERS`. */
export async function tellHostileStory(orm: Orm, nowMs = Date.now()): Promise<void> {
  await tell(orm, hostileScenes(), { nowMs, lists: HOSTILE_PRICES.lists });
}
