import { type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import { isolated } from "../app/isolated.ts";
import type { Phrase } from "../parts/sentence/phrase.ts";
import { policyPhrase } from "../parts/sentence/policy-phrase.ts";
import { usagePhrase } from "../parts/sentence/price-phrase.ts";
import type { SentenceWords } from "../parts/sentence/sentence-words.ts";
import { pointsOf, say, sayCount, type Voice } from "../parts/sentence/voice.ts";
import { isHoldDue, whyExpired } from "./due.ts";
import type { KnownEntry } from "./known-entry.ts";
import { expiryPhrase } from "./lots-phrase.ts";

/** How entries of a kind are told. */
type Telling = {
  /** What it did: "37 points spent" */
  readonly what: (known: KnownEntry, voice: Voice) => Phrase;
  /** What it was made with, or who it was for: "for member Li", "until 11-29 22:00" */
  readonly terms: (known: KnownEntry, voice: Voice) => readonly Phrase[];
  /** How it names lots that were there before: "from lot #1" */
  readonly lots: "from" | "to";
  /** Of points that it should have moved: "5 more were not there, and were not charged" */
  readonly uncovered: (entry: Entry) => keyof SentenceWords;
  /** Of points that went to debt: "20 of them repaid debt" */
  readonly repaid: "repaid" | "debtLowered";
};

export function tellingOf(kind: EntryKind): Telling {
  return TELLINGS[kind] ?? TELLINGS[EntryKind.UNSPECIFIED];
}

const USUAL = {
  terms: ({ entry }, voice) => [memberPhrase(entry, voice)],
  lots: "from",
  uncovered: () => "uncovered",
  repaid: "repaid",
} as const satisfies Omit<Telling, "what">;

// Each kind is named, so that a new one fails here until somebody says how it is told.
const TELLINGS: Readonly<Record<EntryKind, Telling>> = {
  [EntryKind.UNSPECIFIED]: {
    ...USUAL,
    what: ({ entry }, voice) => say(voice, "unknown", { points: pointsOf(voice, entry.points) }),
  },
  [EntryKind.RECHARGE]: { ...USUAL, what: recharged, terms: rechargeTerms },
  [EntryKind.CONSUME]: { ...USUAL, what: used("consume") },
  [EntryKind.EXPIRE]: { ...USUAL, what: expired },
  [EntryKind.FREEZE]: { ...USUAL, what: used("freeze"), terms: holdTerms },
  [EntryKind.EXTEND]: { ...USUAL, what: extended, terms: holdTerms },
  [EntryKind.SETTLE]: { ...USUAL, what: used("settle") },
  [EntryKind.RELEASE]: {
    ...USUAL,
    what: released,
    lots: "to",
  },
  [EntryKind.REFUND]: {
    ...USUAL,
    what: ({ entry }, voice) => say(voice, "refund", valuesOf(entry, voice)),
    lots: "to",
    uncovered: () => "claimEnded",
    repaid: "debtLowered",
  },
  [EntryKind.REVOKE]: {
    ...USUAL,
    what: revoked,
    uncovered: ({ refersTo }) => (refersTo === 0n ? "revokeUncovered" : "claimMade"),
  },
  [EntryKind.SET_POLICY]: {
    ...USUAL,
    what: ({ entry }, voice) => (entry.policy ? policyPhrase(voice, entry.policy) : []),
    // A policy says itself whose it is.
    terms: () => [],
  },
  [EntryKind.ERASE]: { ...USUAL, what: (_, voice) => say(voice, "erase") },
};

/** "300 points recharged", "100 points given by the allowance monthly" */
function recharged({ entry }: KnownEntry, voice: Voice): Phrase {
  const { cause } = entry;
  const points = pointsOf(voice, entry.points);
  return cause === ""
    ? say(voice, "recharge", { points })
    : say(voice, "allowance", { points, cause });
}

/** "37 points spent"; of what has a service "37 points for tts, 37 s at 1 a second by list 2026-11-23" */
function used(key: "consume" | "freeze" | "extend" | "settle"): Telling["what"] {
  return ({ entry }, voice) => {
    const { usage, points } = entry;
    const values = valuesOf(entry, voice);
    if (usage === undefined) return say(voice, key, values);
    return say(voice, `${key}For`, { ...values, usage: usagePhrase(voice, usage, points) });
  };
}

/** "10 points more set aside for hold #7", "More time for hold #7" */
function extended(known: KnownEntry, voice: Voice): Phrase {
  const { points, usage } = known.entry;
  const isTimeAlone = points === 0n && usage === undefined;
  if (isTimeAlone) return say(voice, "extendTime", valuesOf(known.entry, voice));
  return used("extend")(known, voice);
}

/** "80 points expired at their time", "80 points taken as expired" */
function expired({ entry, others }: KnownEntry, voice: Voice): Phrase {
  const key = { due: "expireDue", asked: "expireBy", unknown: "expire" } as const;
  return say(voice, key[whyExpired(entry, others)], valuesOf(entry, voice));
}

/** "24 points of hold #7 went back, because its time had come" */
function released(known: KnownEntry, voice: Voice): Phrase {
  return say(voice, isHoldDue(known) ? "releaseDue" : "releaseBy", valuesOf(known.entry, voice));
}

/** "7 points taken away", "70 points of lot #1 taken away", "32 points taken away for lot #1" */
function revoked({ entry }: KnownEntry, voice: Voice): Phrase {
  const values = valuesOf(entry, voice);
  if (entry.refersTo === 0n) return say(voice, "revoke", values);
  if (entry.fromClaim) return say(voice, "revokeClaim", values);
  return say(voice, isOfItsLot(entry) ? "revokeLot" : "revokeFor", values);
}

/** Whether the revocation of a lot took from that alone: what it lacked may be owed, or others'. */
export function isOfItsLot({ refersTo, owed, allocations }: Entry): boolean {
  return owed === 0n && allocations.every(({ lot }) => lot === refersTo);
}

/** What the words of kinds have places for; what the entry is about is a lot, a hold or an entry. */
function valuesOf({ points, refersTo }: Entry, voice: Voice) {
  const about = [{ entry: refersTo }];
  return { points: pointsOf(voice, points), entry: about, hold: about, lot: about };
}

/** "by request order-7001", and what its lot is: see `lotPhrases`; if all repaid debt, there is none. */
function rechargeTerms(known: KnownEntry, voice: Voice): readonly Phrase[] {
  const { requestId, repaid, points } = known.entry;
  const request = requestId === "" ? [] : say(voice, "byRequest", { id: requestId });
  return [request, ...(repaid < points ? lotPhrases(known, voice) : [])];
}

/** Of the lot that it made: "of category paid", "for tts alone", "with priority 5", "never expires" */
export function lotPhrases({ entry, now }: KnownEntry, voice: Voice): readonly Phrase[] {
  const { category, services, priority } = entry;
  return [
    category === "" ? [] : say(voice, "category", { category }),
    services.length === 0
      ? []
      : say(voice, "services", { services: services.map(isolated).join(", ") }),
    sayCount(voice, "priority", BigInt(priority)),
    expiryPhrase(voice, entry, now),
  ];
}

/** "for member Li", "until 11-29 22:00" */
function holdTerms({ entry }: KnownEntry, voice: Voice): readonly Phrase[] {
  const { expireTime } = entry;
  const until = expireTime && say(voice, "until", { time: voice.formats.instant(expireTime) });
  return [memberPhrase(entry, voice), until ?? []];
}

function memberPhrase({ member }: Entry, voice: Voice): Phrase {
  return member === "" ? [] : say(voice, "member", { member });
}
