import { type Account, type Figures, GENESIS_HASH, MAX_TOTAL } from "../ledger/account.ts";
import { type Entry, type EntryKind, hashEntry } from "../ledger/entry.ts";
import type { Hold } from "../ledger/hold.ts";
import { type Allocation, type Lot, sumPoints } from "../ledger/lot.ts";
import type { Micros } from "../ledger/time.ts";
import { replayMoves } from "./moves.ts";

// What an account must look like, by its journal alone. The rules are written here again, and are
// not those that wrote the journal: a bug in those is to be found as well.

/** All that the tables have under one name: an entry, and the rows that are named after it. */
export type Step = {
  readonly userId: string;
  /** The entry's sequence, and the number of the lot or hold that it made. */
  readonly number: bigint;
  readonly entry: Entry | undefined;
  readonly lot: Lot | undefined;
  readonly hold: Hold | undefined;
  /** How much of the entry has been refunded, in points, as the row says that says only this. */
  readonly refunded: bigint | undefined;
  /** Why the rows cannot be read, if they cannot. */
  readonly unreadable: string | undefined;
};

/** What is wrong. */
export type Flaw = {
  /** The entry, or the one that the wrong row is named after; undefined: the account. */
  readonly sequence?: bigint;
  readonly what: string;
};

/** An account as its journal has it so far. Of what is closed nothing is kept. */
export type Replay = {
  readonly userId: string;
  sequence: bigint;
  hash: Uint8Array;
  /** Of the last entry. */
  time: Micros | undefined;
  figures: Figures;
  readonly lots: Map<bigint, ReplayedLot>;
  /** The open ones, as their rows are. */
  readonly holds: Map<bigint, Hold>;
  /** The entries whose refunds are still to come, by what their rows say. */
  readonly refundables: Map<bigint, Refundable>;
};

/** A lot: its row, and what the entries so far leave in it. */
export type ReplayedLot = {
  readonly row: Lot;
  remaining: bigint;
  frozen: bigint;
  /** How many entries took from it whose refunds are still to come. */
  refundables: number;
};

/** An entry that took from lots, how much of it was refunded so far, and how much will be. */
export type Refundable = {
  readonly allocations: readonly Allocation[];
  refunded: bigint;
  left: bigint;
};

/** The account before its first entry. */
export function startReplay(userId: string): Replay {
  return {
    userId,
    sequence: 0n,
    hash: GENESIS_HASH,
    time: undefined,
    figures: NOTHING,
    lots: new Map(),
    holds: new Map(),
    refundables: new Map(),
  };
}

/**
 * Takes an account one step further.
 *
 * @returns the first thing that is wrong with it; then the replay is not to be used any more
 */
export function replayStep(replay: Replay, step: Step): Flaw | undefined {
  const { number, entry, unreadable } = step;
  if (unreadable !== undefined) return { sequence: number, what: unreadable };
  if (entry === undefined) {
    return { sequence: number, what: `there is a ${rowNames(step).join(" and a ")}, and no entry` };
  }
  const next = replay.sequence + 1n;
  if (number < next) return { sequence: number, what: "is out of place: the first entry is 1" };
  if (number > next) return { sequence: next, what: "is missing" };

  const flaw = flawOfContent(replay, entry) ?? flawOfRows(step, entry);
  if (flaw !== undefined) return { sequence: number, what: flaw };
  const moved = replayMoves(replay, step, entry);
  if (moved !== undefined) return moved;
  const figures = figuresAfter(replay.figures, entry);
  const wrong = flawOfFigures(entry.after, figures);
  if (wrong !== undefined) return { sequence: number, what: `leaves ${wrong}` };

  replay.sequence = number;
  replay.hash = entry.hash;
  replay.time = entry.time;
  replay.figures = figures;
}

/** Compares an account's row, and what is left in the other rows, with the end of its journal. */
export function endReplay(replay: Replay, account: Account): Flaw | undefined {
  const { sequence, hash, time, figures, lots, holds, refundables } = replay;
  if (account.sequence > sequence) return { sequence: sequence + 1n, what: "is missing" };
  if (account.sequence < sequence) {
    const what = `comes after the account's last entry, which is ${account.sequence}`;
    return { sequence: account.sequence + 1n, what };
  }
  const wrong = flawOfFigures(account, figures);
  if (wrong !== undefined) return { what: `the account has ${wrong}` };
  if (!sameBytes(account.hash, hash)) return { what: "the account has not its last entry's hash" };
  if (account.updateTime !== (time ?? account.createTime)) {
    return { what: "the account has not its last entry's time" };
  }
  for (const [number, { row, remaining, frozen }] of lots) {
    if (row.remaining === remaining && row.frozen === frozen) continue;
    const what =
      `its lot has ${row.remaining} remaining and ${row.frozen} frozen, ` +
      `the entries leave ${remaining} and ${frozen}`;
    return { sequence: number, what };
  }
  for (const [number, { status, settled }] of holds) {
    if (status === "open" && settled === 0n) continue;
    return { sequence: number, what: `its hold is ${status}, and no entry closed it` };
  }
  for (const [number, { refunded, left }] of refundables) {
    const what = `its refunds add up to ${refunded}, its refund row says ${refunded + left}`;
    return { sequence: number, what };
  }
}

/** The rows that are there beside an entry. */
export function rowNames({ lot, hold, refunded }: Step): string[] {
  const names = [];
  if (lot !== undefined) names.push("lot");
  if (hold !== undefined) names.push("hold");
  if (refunded !== undefined) names.push("refund row");
  return names;
}

const NOTHING: Figures = {
  balance: 0n,
  frozen: 0n,
  totalRecharged: 0n,
  totalConsumed: 0n,
  totalExpired: 0n,
  totalRefunded: 0n,
};

/** What the kinds of entries may say; anything else that they say is wrong. */
const MAY_SAY: Record<EntryKind, readonly (keyof Entry)[]> = {
  recharge: ["expireTime", "priority"],
  consume: ["usage"],
  expire: [],
  freeze: ["expireTime", "usage"],
  settle: ["returned", "refersTo", "usage"],
  release: ["refersTo"],
  refund: ["refersTo", "expireTime", "priority"],
};

const EMPTY = [
  ["expireTime", null, "an expiry"],
  ["priority", 0, "a priority"],
  ["returned", 0n, "points returned"],
  ["refersTo", null, "a reference"],
  ["usage", null, "a usage"],
] as const;

const MAY_BE_NOTHING = new Set<EntryKind>(["consume", "freeze", "settle", "release"]);

function flawOfContent({ hash, time }: Replay, entry: Entry): string | undefined {
  if (!sameBytes(hashEntry(hash, entry), entry.hash)) {
    return "has not the hash of its content and of the entry before";
  }
  if (time !== undefined && entry.time < time) return "is earlier than the entry before";
  const { kind, points, allocations } = entry;
  for (const [field, empty, name] of EMPTY) {
    if (entry[field] === empty || MAY_SAY[kind].includes(field)) continue;
    return `has ${name}, which no ${kind} has`;
  }
  if (points === 0n && !MAY_BE_NOTHING.has(kind)) return "moves nothing";
  const sum = sumPoints(allocations);
  if (sum !== points) return `moves ${points} points, its allocations ${sum}`;
  if (allocations.some((part) => part.points <= 0n)) return "has an empty allocation";
  if (entry.expireTime !== null && entry.expireTime <= entry.time) return "makes what is expired";
}

/** Whether the rows are there that such an entry makes, and say what it says. */
function flawOfRows({ lot, hold, refunded }: Step, entry: Entry): string | undefined {
  const { kind, sequence, points, allocations, expireTime, priority } = entry;
  const own = allocations.find((part) => part.lot === sequence);
  const makesLot = kind === "recharge" || (kind === "refund" && own !== undefined);
  if ((lot !== undefined) !== makesLot) return makesLot ? "has no lot" : `a ${kind} has a lot`;
  if (lot !== undefined && lot.points !== own?.points) return "its lot has other points";
  if (lot !== undefined && lot.priority !== priority) return "its lot has another priority";
  if (lot !== undefined && lot.expireTime !== expireTime) return "its lot has another expiry";

  const makesHold = kind === "freeze";
  if ((hold !== undefined) !== makesHold) return makesHold ? "has no hold" : `a ${kind} has a hold`;
  if (hold !== undefined && hold.points !== points) return "its hold has other points";
  if (hold !== undefined && hold.expireTime !== expireTime) return "its hold has another expiry";
  if (hold !== undefined && !sameAllocations(hold.allocations, allocations)) {
    return "its hold has points of other lots";
  }

  if (refunded === undefined) return undefined;
  if (kind !== "consume" && kind !== "settle") return `a ${kind} has a refund row`;
  if (refunded <= 0n || refunded > points) {
    return `its refund row says ${refunded} of ${points} points`;
  }
}

function figuresAfter(before: Figures, { kind, points, returned }: Entry): Figures {
  const { balance, frozen, totalRecharged, totalConsumed, totalExpired, totalRefunded } = before;
  switch (kind) {
    case "recharge":
      return { ...before, balance: balance + points, totalRecharged: totalRecharged + points };
    case "consume":
      return { ...before, balance: balance - points, totalConsumed: totalConsumed + points };
    case "expire":
      return { ...before, balance: balance - points, totalExpired: totalExpired + points };
    case "freeze":
      return { ...before, balance: balance - points, frozen: frozen + points };
    case "settle": {
      const left = { balance: balance + returned, frozen: frozen - points - returned };
      return { ...before, ...left, totalConsumed: totalConsumed + points };
    }
    case "release":
      return { ...before, balance: balance + points, frozen: frozen - points };
    case "refund":
      return { ...before, balance: balance + points, totalRefunded: totalRefunded + points };
  }
}

const FIGURES = [
  ["balance", "balance"],
  ["frozen", "frozen"],
  ["totalRecharged", "total_recharged"],
  ["totalConsumed", "total_consumed"],
  ["totalExpired", "total_expired"],
  ["totalRefunded", "total_refunded"],
] as const;

/** The equation holds in what is expected, and so in what equals it. */
function flawOfFigures(is: Figures, expected: Figures): string | undefined {
  for (const [figure, name] of FIGURES) {
    if (is[figure] !== expected[figure]) return `${name} ${is[figure]}, not ${expected[figure]}`;
    if (is[figure] < 0n) return `${name} ${is[figure]}`;
  }
  const { totalRecharged, totalRefunded } = is;
  if (totalRecharged + totalRefunded > MAX_TOTAL) return "a total that is too large";
}

/** Whether they are the same, in the same order. */
export function sameAllocations(a: readonly Allocation[], b: readonly Allocation[]): boolean {
  const same = (part: Allocation, index: number) =>
    part.lot === b[index]?.lot && part.points === b[index].points;
  return a.length === b.length && a.every(same);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
