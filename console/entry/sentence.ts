import { type Allocation, type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import { join, type Phrase } from "../parts/sentence/phrase.ts";
import { say, sayCount, type Voice } from "../parts/sentence/voice.ts";
import { fatePhrases } from "./fate.ts";
import type { KnownEntry } from "./known-entry.ts";
import { lotsPhrase } from "./lots-phrase.ts";
import { isOfItsLot, lotPhrases, tellingOf } from "./tellings.ts";

/**
 * What an entry was and why, in one sentence: what it did, who asked for it, from or to which lots,
 * what else happened with it, and what has become of it since. "37 points for tts, 37 s at 1 a second
 * by list 2026-11-23, asked by billing for Li, from lot #1, recharged on 11-28, expires on 12-28; 7
 * refunded."
 *
 * Its parts are phrases, and not texts of i18next, since entries in them are links.
 */
export function sentenceOf(known: KnownEntry, voice: Voice): Phrase {
  const { words } = voice;
  const { what, terms } = tellingOf(known.entry.kind);
  const clauses = [
    what(known, voice),
    ...terms(known, voice),
    askedPhrase(known.entry, voice),
    placePhrase(known, voice),
  ];
  const after = [...besidePhrases(known, voice), ...fatePhrases(known, voice)];
  return [...join([join(clauses, words.comma), ...after], words.semicolon), words.stop];
}

/** "asked by billing for Li" */
function askedPhrase({ caller, actor }: Entry, voice: Voice): Phrase {
  if (caller === "") return actor === "" ? [] : say(voice, "askedFor", { actor });
  return actor === ""
    ? say(voice, "askedBy", { caller })
    : say(voice, "askedByFor", { caller, actor });
}

/** "from lot #1, recharged on 11-28, expires on 12-28", where these are not what it made or named. */
function placePhrase(known: KnownEntry, voice: Voice): Phrase {
  const { kind, sequence, allocations } = known.entry;
  const before = allocations.filter(({ lot }) => lot !== sequence);
  // The revocation of a lot has named it.
  const isNamed = kind === EntryKind.REVOKE && isOfItsLot(known.entry);
  if (before.length === 0 || isNamed) return [];
  return say(voice, tellingOf(kind).lots, { lots: lotsPhrase(voice, known, before) });
}

/** What else it did: "10 of them owed, since they were not there", "the alert low went off" */
function besidePhrases(known: KnownEntry, voice: Voice): readonly Phrase[] {
  const { entry } = known;
  const { uncovered, repaid } = tellingOf(entry.kind);
  return [
    sayCount(voice, "fromBalance", entry.fromBalance),
    sayCount(voice, "owed", entry.owed),
    sayCount(voice, uncovered(entry), entry.uncovered),
    sayCount(voice, repaid, entry.repaid),
    sayCount(voice, "returned", entry.returned),
    newLotPhrase(known, voice),
    sayCount(voice, "claimedAtOnce", takenAtOnce(EntryKind.REVOKE, known)),
    sayCount(voice, "expiredAtOnce", takenAtOnce(EntryKind.EXPIRE, known)),
    entry.keptOpen ? say(voice, "keptOpen") : [],
    ...entry.alerts.map((name) => say(voice, "alert", { name })),
  ];
}

/** Of a refund: "25 of them as a new lot, of category paid, expires on 12-28" */
function newLotPhrase(known: KnownEntry, voice: Voice): Phrase {
  const { kind, sequence, allocations } = known.entry;
  const made = allocations.filter(({ lot }) => lot === sequence);
  if (kind !== EntryKind.REFUND || made.length === 0) return [];
  const lot = sayCount(voice, "newLot", sumOf(made));
  return join([lot, ...lotPhrases(known, voice)], voice.words.comma);
}

/** How many of the points that it gave back were taken at once, as far as it is known. */
function takenAtOnce(by: EntryKind, { entry, followed = [] }: KnownEntry): bigint {
  const given = new Set(entry.allocations.map(({ lot }) => lot));
  const taken = followed.filter(({ kind }) => kind === by).flatMap((one) => one.allocations);
  return sumOf(taken.filter(({ lot }) => given.has(lot)));
}

function sumOf(allocations: readonly Allocation[]): bigint {
  return allocations.reduce((sum, { points }) => sum + points, 0n);
}
