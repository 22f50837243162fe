import type { Orm } from "../../src/store/driver/orm.ts";
import { wordsIn } from "./looks.ts";
import { adaScenes } from "./story/ada.ts";
import { HOSTILE_PRICES, hostileScenes } from "./story/hostile.ts";
import { GRACE, OTHERS, TEAM } from "./story/others.ts";
import { type Scene, tell } from "./story/tell.ts";

/**
 * Writes what the console's pictures and tests show into a ledger: six weeks of a small video product,
 * that end at an instant. Of `ada` there is everything; `grace` owes, `team-lighthouse` is shared, and
 * thirty others are there to be summed up.
 */
export async function tellStory(orm: Orm, nowMs = Date.now()): Promise<void> {
  await tell(orm, storyScenes(), { nowMs });
}

/** Writes accounts of which each text is an attack: see `HOSTILE_USERS`. */
export async function tellHostileStory(orm: Orm, nowMs = Date.now()): Promise<void> {
  await tell(orm, hostileScenes(), { nowMs, lists: HOSTILE_PRICES.lists });
}

/** The words that are of the story's people, and not of the console: names, ids, reasons. */
export function storyNames(): Set<string> {
  const asked = storyScenes().map(({ asks }) =>
    typeof asks === "function" ? asks(() => 1n) : asks,
  );
  const callers = storyScenes().map(({ by }) => by);
  return wordsIn([...NAMES_BESIDE, ...callers, ...asked.flatMap(({ value }) => textsOf(value))]);
}

/** The environment's name, and a user whom somebody looks for and there is not. */
const NAMES_BESIDE = ["demo", "adda", "ad"];

function storyScenes(): readonly Scene[] {
  return [...adaScenes(), ...TEAM, ...GRACE, ...OTHERS];
}

/** Texts in a message, but not the names of its cases; of metadata also the keys. */
function textsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) => {
    if (key === "case") return [];
    return [...(key === "metadata" ? Object.keys(one as object) : []), ...textsOf(one)];
  });
}
