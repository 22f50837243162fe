import { type Allocation, type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import { join, type Phrase } from "../parts/sentence/phrase.ts";
import { say, type Voice } from "../parts/sentence/voice.ts";
import type { KnownEntry } from "./known-entry.ts";

/** How many lots a sentence names; the table beneath it has all. */
export const LOTS_NAMED = 3;

/** "lot #1, recharged on 28 November, expires on 28 December", or several of them. */
export function lotsPhrase(
  voice: Voice,
  { others, now }: KnownEntry,
  allocations: readonly Allocation[],
): Phrase {
  const [only] = allocations;
  if (only !== undefined && allocations.length === 1) {
    const made = others.get(only.lot);
    const lot = [{ entry: only.lot }];
    if (made === undefined) return say(voice, "lot", { lot });
    return say(voice, "lotAlone", { lot, ...lotWords(voice, made, now) });
  }
  const named = allocations.slice(0, LOTS_NAMED).map(({ lot, points }) => {
    const made = others.get(lot);
    const values = { lot: [{ entry: lot }], n: points };
    if (made === undefined) return say(voice, "lotUnread", values);
    return say(voice, "lotOfSeveral", { ...values, ...lotWords(voice, made, now) });
  });
  const rest = BigInt(allocations.length - named.length);
  if (rest > 0n) {
    const more = say(voice, rest === 1n ? "moreLots_one" : "moreLots_other", { n: rest });
    return join([...named, more], voice.words.comma);
  }
  const last = named.pop() ?? [];
  return join([join(named, voice.words.comma), last], voice.words.and);
}

/** Where a lot came from and when it expires, by the entry that made it. */
export function lotWords(voice: Voice, made: Entry, now: bigint) {
  return { origin: originPhrase(voice, made), expiry: expiryPhrase(voice, made, now) };
}

function originPhrase(voice: Voice, { kind, createTime, cause, category }: Entry): Phrase {
  const day = createTime === undefined ? "" : voice.formats.day(createTime);
  if (kind === EntryKind.REFUND) return say(voice, "reissued", { day });
  if (cause !== "") return say(voice, "given", { cause, day });
  return say(voice, category === "" ? "bought" : "boughtAs", { day, category });
}

/** When the lot that an entry made expires, or that it never does. */
export function expiryPhrase(voice: Voice, { expireTime }: Entry, now: bigint): Phrase {
  if (expireTime === undefined) return say(voice, "never");
  const isPast = expireTime.seconds <= now;
  return say(voice, isPast ? "expired" : "expires", { day: voice.formats.day(expireTime) });
}
