import type { Entry, EntryKind } from "../ledger/entry.ts";
import { HOLD_MAX } from "../ledger/hold.ts";
import type { Micros } from "../ledger/time.ts";
import { chainEntry } from "./hashes.ts";
import type { Step } from "./rows.ts";

/** What an entry follows; its time is undefined for the first. */
type EntryBefore = {
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
  readonly time: Micros | undefined;
};

/** Checks an entry by itself, and by the hash and the time of the entry before. */
export function flawOfContent({ salt, hash, time }: EntryBefore, entry: Entry): string | undefined {
  if (!sameBytes(chainEntry(hash, entry, salt), entry.hash)) {
    return "has not the hash of its content and of the entry before";
  }
  if (time !== undefined && entry.time < time) return "is earlier than the entry before";
  const { kind, points } = entry;
  if (entry.services.length > 0 && !MAY_SAY[kind].includes("services")) {
    return `has services, which no ${kind} has`;
  }
  for (const [field, empty, name] of EMPTY) {
    if (entry[field] === empty || MAY_SAY[kind].includes(field)) continue;
    return `has ${name}, which no ${kind} has`;
  }
  if (points + entry.uncovered === 0n && !MAY_BE_NOTHING.has(kind)) return "moves nothing";
  if (entry.fromClaim && entry.time !== time) {
    return "is a claim's, at another instant than what came back";
  }
  if (kind === "freeze" && entry.expireTime !== null && entry.expireTime - entry.time > HOLD_MAX) {
    return "makes a hold that lives longer than it may";
  }
  const { request, metadata, caller, actor } = entry;
  if (entry.fromClaim && (request !== undefined || metadata.size > 0 || caller + actor !== "")) {
    return "is a claim's, and names who asked for it";
  }
  // A refund makes a lot that lives as long as those that repaid debt, whether or not that is over.
  if (kind !== "refund" && entry.expireTime !== null && entry.expireTime <= entry.time) {
    return "makes what is expired";
  }
}

/** Checks that an entry has the rows that its kind makes, and that they repeat what it says. */
export function flawOfRows(
  { lot, hold, refunded, revocation }: Step,
  entry: Entry,
): string | undefined {
  const { kind, sequence, points, allocations, expireTime, priority, usage } = entry;
  const own = allocations.find((part) => part.lot === sequence);
  const makesLot = kind === "recharge" || (kind === "refund" && own !== undefined);
  if (lot !== undefined && !makesLot) return `a ${kind} has a lot`;
  const ofLot = kind === "recharge" ? points : own?.points;
  if (lot !== undefined && lot.points !== ofLot) return "its lot has other points";
  if (lot !== undefined && lot.priority !== priority) return "its lot has another priority";
  if (lot !== undefined && lot.expireTime !== expireTime) return "its lot has another expiry";
  if (lot !== undefined && lot.category !== entry.category) return "its lot has another category";
  if (lot !== undefined && lot.services.join(" ") !== entry.services.join(" ")) {
    return "its lot has other services";
  }

  const makesHold = kind === "freeze";
  if ((hold !== undefined) !== makesHold) return makesHold ? "has no hold" : `a ${kind} has a hold`;
  if (hold !== undefined && hold.service !== (usage?.service ?? null)) {
    return "its hold is for another service";
  }
  if (hold !== undefined && hold.member !== entry.member) return "its hold is another member's";

  if (revocation !== undefined && !makesLot) return `a ${kind} of which nothing can be revoked`;
  if (refunded === undefined) return undefined;
  const { fromClaim, refersTo, uncovered } = entry;
  const revokes = kind === "revoke" && !fromClaim;
  if (kind !== "consume" && kind !== "settle" && !revokes) return `a ${kind} has an undone row`;
  const most = revokes && refersTo !== null ? points + uncovered : points;
  if (refunded > most) return `its undone row says ${refunded} of ${most} points`;
}

/** The fields that only some kinds of entries may have. */
const MAY_SAY: Record<EntryKind, readonly (keyof Entry)[]> = {
  recharge: ["expireTime", "priority", "category", "services", "repaid", "cause"],
  consume: ["usage", "owed", "uncovered", "member"],
  expire: [],
  freeze: ["expireTime", "usage", "member"],
  extend: ["refersTo", "expireTime", "usage", "holdAfter", "member"],
  settle: [
    "returned",
    "refersTo",
    "usage",
    "owed",
    "uncovered",
    "repaid",
    "fromBalance",
    "keptOpen",
    "member",
  ],
  release: ["refersTo", "repaid", "member"],
  refund: [
    "refersTo",
    "expireTime",
    "priority",
    "category",
    "services",
    "repaid",
    "uncovered",
    "member",
  ],
  revoke: ["refersTo", "owed", "uncovered", "fromClaim"],
  setPolicy: ["policy", "member"],
  erase: ["erasedHash"],
};

const EMPTY = [
  ["expireTime", null, "an expiry"],
  ["priority", 0, "a priority"],
  ["category", "", "a category"],
  ["returned", 0n, "points returned"],
  ["owed", 0n, "points owed"],
  ["uncovered", 0n, "points uncovered"],
  ["repaid", 0n, "points repaid"],
  ["fromBalance", 0n, "points beyond a hold"],
  ["fromClaim", false, "a claim"],
  ["keptOpen", false, "a hold kept open"],
  ["holdAfter", null, "a hold after it"],
  ["refersTo", null, "a reference"],
  ["usage", null, "a usage"],
  ["member", "", "a member"],
  ["cause", "", "a cause"],
  ["policy", null, "a policy"],
  ["erasedHash", null, "an erased hash"],
] as const;

const MAY_BE_NOTHING = new Set<EntryKind>([
  "consume",
  "freeze",
  "extend",
  "settle",
  "release",
  "setPolicy",
  "erase",
]);

/** Whether two lists of bytes are the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
