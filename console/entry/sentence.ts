import { compareTimes } from "./times.ts";
import { type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import { expiryPhrase, lotsPhrase } from "./lots-phrase.ts";
import { join, type Phrase } from "../parts/sentence/phrase.ts";
import { policyPhrase } from "../parts/sentence/policy-phrase.ts";
import { usagePhrase } from "../parts/sentence/price-phrase.ts";
import { fatePhrases } from "./fate.ts";
import { pointsOf, say, sayCount, type Voice } from "../parts/sentence/voice.ts";
import type { KnownEntry } from "./known-entry.ts";

/**
 * What an entry was and why, in one sentence: what it did, who asked for it, from or to which lots,
 * what else happened with it, and what has become of it since.
 */
export function sentenceOf(known: KnownEntry, voice: Voice): Phrase {
  const { words } = voice;
  const clauses = [
    whatPhrase(known, voice),
    ...termPhrases(known, voice),
    askedPhrase(known.entry, voice),
    placePhrase(known, voice),
  ];
  const after = [...besidePhrases(known, voice), ...fatePhrases(known, voice)];
  return [...join([join(clauses, words.comma), ...after], words.semicolon), words.stop];
}

function whatPhrase({ entry, others }: KnownEntry, voice: Voice): Phrase {
  const { kind, refersTo, usage, cause, policy } = entry;
  const points = pointsOf(voice, entry.points);
  const about = [{ entry: refersTo }];
  const used = usage && usagePhrase(voice, usage, entry.points);
  const maybeFor = (key: "consume" | "freeze" | "extend" | "settle") =>
    used === undefined
      ? say(voice, key, { points, hold: about })
      : say(voice, `${key}For`, { points, hold: about, usage: used });
  switch (kind) {
    case EntryKind.RECHARGE:
      return cause === ""
        ? say(voice, "recharge", { points })
        : say(voice, "allowance", { points, cause });
    case EntryKind.CONSUME:
      return maybeFor("consume");
    case EntryKind.EXPIRE:
      return say(voice, isDue(entry, others) ? "expireDue" : "expireBy", { points });
    case EntryKind.FREEZE:
      return maybeFor("freeze");
    case EntryKind.EXTEND:
      return entry.points === 0n && used === undefined
        ? say(voice, "extendTime", { hold: about })
        : maybeFor("extend");
    case EntryKind.SETTLE:
      return maybeFor("settle");
    case EntryKind.RELEASE:
      return say(voice, isDue(entry, others) ? "releaseDue" : "releaseBy", { points, hold: about });
    case EntryKind.REFUND:
      return say(voice, "refund", { points, entry: about });
    case EntryKind.REVOKE:
      if (refersTo === 0n) return say(voice, "revoke", { points });
      return say(voice, entry.fromClaim ? "revokeClaim" : "revokeLot", { points, lot: about });
    case EntryKind.SET_POLICY:
      return policy === undefined ? [] : policyPhrase(voice, policy);
    case EntryKind.ERASE:
      return say(voice, "erase");
    default:
      return say(voice, "unknown", { points });
  }
}

/**
 * Whether the ledger booked it by itself. Nothing says so outright: it came at the instant at which a
 * lot or the hold ended, and nobody is named who asked.
 */
function isDue(entry: Entry, others: KnownEntry["others"]): boolean {
  const { caller, requestId, actor, metadata, createTime, refersTo, allocations } = entry;
  if (caller !== "" || requestId !== "" || actor !== "" || Object.keys(metadata).length > 0) {
    return false;
  }
  const ended = refersTo === 0n ? allocations.map(({ lot }) => lot) : [refersTo];
  const ends = ended.flatMap((sequence) => others.get(sequence)?.expireTime ?? []);
  return ends.length === 0 || ends.some((end) => compareTimes(end, createTime) <= 0);
}

/** What it was made with, or who it was for. */
function termPhrases({ entry, now }: KnownEntry, voice: Voice): readonly Phrase[] {
  const { kind, member, expireTime, requestId, category, services, priority } = entry;
  const text = (key: "member" | "category", value: string) =>
    value === "" ? [] : say(voice, key, { [key]: value });
  const until =
    expireTime === undefined
      ? []
      : say(voice, "until", { time: voice.formats.instant(expireTime) });
  switch (kind) {
    case EntryKind.RECHARGE:
      return [
        requestId === "" ? [] : say(voice, "byRequest", { id: requestId }),
        text("category", category),
        services.length === 0 ? [] : say(voice, "services", { services: services.join(", ") }),
        sayCount(voice, "priority", BigInt(priority)),
        expiryPhrase(voice, entry, now),
      ];
    case EntryKind.FREEZE:
    case EntryKind.EXTEND:
      return [text("member", member), until];
    // A policy says itself whose it is.
    case EntryKind.SET_POLICY:
      return [];
    default:
      return [text("member", member)];
  }
}

function askedPhrase({ caller, actor }: Entry, voice: Voice): Phrase {
  if (caller === "") return actor === "" ? [] : say(voice, "askedFor", { actor });
  return actor === ""
    ? say(voice, "askedBy", { caller })
    : say(voice, "askedByFor", { caller, actor });
}

/** The lots, where these are not what the entry itself made. */
function placePhrase(known: KnownEntry, voice: Voice): Phrase {
  const { kind, sequence, refersTo } = known.entry;
  const allocations = known.entry.allocations.filter(({ lot }) => lot !== sequence);
  if (allocations.length === 0 || kind === EntryKind.RECHARGE) return [];
  const lots = lotsPhrase(voice, known, allocations);
  const isBack = kind === EntryKind.REFUND || kind === EntryKind.RELEASE;
  if (isBack) return say(voice, "to", { lots });
  // The revocation of a lot has named it.
  const isSaid = kind === EntryKind.REVOKE && allocations.every(({ lot }) => lot === refersTo);
  return isSaid ? [] : say(voice, "from", { lots });
}

/** What else it did. */
function besidePhrases({ entry, others }: KnownEntry, voice: Voice): readonly Phrase[] {
  const { kind, refersTo, sequence, allocations, createTime } = entry;
  const isRefund = kind === EntryKind.REFUND;
  const isRevoke = kind === EntryKind.REVOKE;
  const uncovered = isRefund
    ? "claimEnded"
    : isRevoke
      ? refersTo === 0n
        ? "revokeUncovered"
        : "claimMade"
      : "uncovered";
  const sum = (some: typeof allocations) => some.reduce((n, { points }) => n + points, 0n);
  const renewed = allocations.filter(({ lot }) => isRefund && lot === sequence);
  const expired = allocations.filter(({ lot }) => {
    const end = others.get(lot)?.expireTime;
    const isBack = isRefund || kind === EntryKind.RELEASE;
    return isBack && lot !== sequence && end !== undefined && compareTimes(end, createTime) <= 0;
  });
  return [
    sayCount(voice, "fromBalance", entry.fromBalance),
    sayCount(voice, "owed", entry.owed),
    sayCount(voice, uncovered, entry.uncovered),
    sayCount(voice, isRefund ? "debtLowered" : "repaid", entry.repaid),
    sayCount(voice, "returned", entry.returned),
    sayCount(voice, "newLot", sum(renewed)),
    sayCount(voice, "expiredAtOnce", sum(expired)),
    entry.keptOpen ? say(voice, "keptOpen") : [],
    ...entry.alerts.map((name) => say(voice, "alert", { name })),
  ];
}
