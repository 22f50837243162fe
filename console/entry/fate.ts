import { type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import { madePoints } from "../parts/made-points.ts";
import { refundableOf } from "../parts/refundable.ts";
import type { Phrase } from "../parts/sentence/phrase.ts";
import { say, sayCount, type Voice } from "../parts/sentence/voice.ts";
import type { KnownEntry } from "./known-entry.ts";
import { compareTimes } from "../parts/times.ts";

/** What has become of an entry since, in words. */
export function fatePhrases(known: KnownEntry, voice: Voice): readonly Phrase[] {
  const { entry, refunded, revoked, claimed } = known;
  if (entry.kind === EntryKind.FREEZE) return [holdPhrase(known, voice)];
  if (madeLot(entry)) {
    const left = leftPhrases(known, voice);
    if (revoked === 0n) {
      const isSaid = left.length > 0 || entry.kind !== EntryKind.RECHARGE;
      return isSaid ? left : [say(voice, "revokedNothing")];
    }
    return [
      ...left,
      sayCount(voice, "revoked", revoked - claimed),
      sayCount(voice, "claimed", claimed),
    ];
  }
  const most = refundableOf(entry);
  if (most === 0n) return [];
  if (refunded === 0n) return [say(voice, "refundedNothing")];
  return [refunded >= most ? say(voice, "refundedAll") : sayCount(voice, "refunded", refunded)];
}

/** What the lot that an entry made still has, and what is gone of it. */
function leftPhrases({ entry, lot, revoked }: KnownEntry, voice: Voice): readonly Phrase[] {
  if (lot === undefined) return [];
  const { remaining, frozen } = lot;
  // What repaid debt is said beside. Of a refund it went to no lot.
  const repaid = entry.kind === EntryKind.RECHARGE ? entry.repaid : 0n;
  const gone = madePoints(entry) - repaid - remaining - frozen;
  return [
    remaining + frozen === 0n ? say(voice, "lotEmpty") : sayCount(voice, "lotLeft", remaining),
    sayCount(voice, "lotFrozen", frozen),
    sayCount(voice, revoked === 0n ? "lotUsed" : "lotGone", gone),
  ];
}

/** Whether an entry made a lot: a recharge, or a refund that gave points as a new one. */
export function madeLot(entry: Entry): boolean {
  return madePoints(entry) > 0n;
}

/** What closed a hold; undefined: it is open. */
export function closingOf({ entry, referring }: Pick<KnownEntry, "entry" | "referring">) {
  if (entry.kind !== EntryKind.FREEZE) return undefined;
  return referring.find(
    ({ kind, keptOpen }) => kind === EntryKind.RELEASE || (kind === EntryKind.SETTLE && !keptOpen),
  );
}

function holdPhrase(known: KnownEntry, voice: Voice): Phrase {
  const closing = closingOf(known);
  if (closing !== undefined) {
    const key = closing.kind === EntryKind.RELEASE ? "holdReleased" : "holdSettled";
    return say(voice, key, { entry: [{ entry: closing.sequence }] });
  }
  const { openHold, entry } = known;
  if (openHold === undefined) return [];
  if (openHold === null) return say(voice, "holdOver");
  const { expireTime } = openHold;
  if (expireTime === undefined || compareTimes(expireTime, entry.expireTime) === 0) {
    return say(voice, "holdOpen");
  }
  return say(voice, "holdExtended", { time: voice.formats.instant(expireTime) });
}
