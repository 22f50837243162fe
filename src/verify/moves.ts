import type { Entry } from "../ledger/entry.ts";
import type { Hold } from "../ledger/hold.ts";
import {
  type Allocation,
  compareBurnOrder,
  isDue,
  splitAllocations,
  sumPoints,
} from "../ledger/lot.ts";
import {
  type Flaw,
  type Refundable,
  type Replay,
  type ReplayedLot,
  sameAllocations,
  type Step,
} from "./replay.ts";

/**
 * Moves the points that an entry says that it moved, between the lots and holds of a replay, and
 * forgets what it closed for good.
 *
 * @returns the first thing that is wrong; then the replay is not to be used any more
 */
export function replayMoves(replay: Replay, step: Step, entry: Entry): Flaw | undefined {
  const flaw = move(replay, step, entry);
  if (typeof flaw === "string") return { sequence: entry.sequence, what: flaw };
  if (flaw !== undefined) return flaw;
  if (step.refunded !== undefined) awaitRefunds(replay, entry, step.refunded);
  forgetEmpty(replay, entry.allocations);
}

/** A text is about the entry itself. */
type Found = Flaw | string | undefined;

function move(replay: Replay, { lot, hold }: Step, entry: Entry): Found {
  switch (entry.kind) {
    case "recharge":
      if (entry.allocations.length !== 1) return "recharges other lots than its own";
      replay.lots.set(entry.sequence, newLot(lot!, entry.points));
      return undefined;
    case "consume":
      return takeInOrder(replay, entry);
    case "expire":
      return take(replay, entry);
    case "freeze":
      return freeze(replay, entry, hold!);
    case "settle":
      return settle(replay, entry);
    case "release":
      return release(replay, entry);
    case "refund":
      return refund(replay, entry, lot);
  }
}

function newLot(row: ReplayedLot["row"], remaining: bigint): ReplayedLot {
  return { row, remaining, frozen: 0n, refundables: 0 };
}

function take(replay: Replay, { kind, allocations, time }: Entry): Found {
  for (const { lot: number, points } of allocations) {
    const lot = replay.lots.get(number);
    const remaining = lot?.remaining ?? 0n;
    if (lot === undefined || remaining < points) {
      return `takes ${points} points of lot ${number}, which has ${remaining}`;
    }
    if (kind !== "expire" && isDue(lot.row, time)) return `takes of lot ${number} past its time`;
    lot.remaining -= points;
  }
}

function takeInOrder(replay: Replay, entry: Entry): Found {
  return take(replay, entry) ?? flawOfOrder(replay, entry);
}

/** Whether it took of the lots that burn first, and in that order. */
function flawOfOrder({ lots }: Replay, { allocations }: Entry): Found {
  const taken = allocations.map(({ lot }) => lots.get(lot)!.row);
  const last = taken.at(-1);
  if (last === undefined) return undefined;
  const isOutOfOrder = taken.some((lot, index) => {
    return index > 0 && compareBurnOrder(taken[index - 1]!, lot) >= 0;
  });
  if (isOutOfOrder) return "takes of its lots in another order than they burn in";
  for (const { row, remaining } of lots.values()) {
    if (remaining > 0n && compareBurnOrder(row, last) < 0) {
      return `takes of lot ${last.number}, though lot ${row.number} burns before it`;
    }
  }
}

function freeze(replay: Replay, entry: Entry, hold: Hold): Found {
  const flaw = takeInOrder(replay, entry);
  if (flaw !== undefined) return flaw;
  if (entry.expireTime === null) return "makes a hold that never expires";
  for (const { lot, points } of entry.allocations) replay.lots.get(lot)!.frozen += points;
  replay.holds.set(entry.sequence, hold);
}

function settle(replay: Replay, entry: Entry): Found {
  const { sequence, points, returned, allocations, refersTo, time } = entry;
  const hold = openHold(replay, refersTo);
  if (hold === undefined) return `settles hold ${refersTo}, which is not open`;
  if (hold.expireTime <= time) return `settles hold ${refersTo} past its time`;
  if (points + returned !== hold.points) {
    return `settles ${points} of ${hold.points} points and returns ${returned}`;
  }
  const { first: spent, rest } = splitAllocations(hold.allocations, points);
  if (!sameAllocations(allocations, spent)) return `spends other points than hold ${refersTo} has`;
  close(replay, hold, rest);
  return flawOfHold(hold, { status: "settled", settled: points }, sequence);
}

function release(replay: Replay, entry: Entry): Found {
  const { sequence, points, allocations, refersTo, time, request, metadata } = entry;
  const hold = openHold(replay, refersTo);
  if (hold === undefined) return `releases hold ${refersTo}, which is not open`;
  // From a hold's time on, only the ledger itself releases it.
  const isExpired = hold.expireTime <= time;
  if (isExpired && (request !== undefined || metadata.size > 0)) {
    return `is a caller's release of hold ${refersTo} past its time`;
  }
  if (isExpired && hold.expireTime !== time) {
    return `releases hold ${refersTo} at another instant than its time`;
  }
  if (points !== hold.points || !sameAllocations(allocations, hold.allocations)) {
    return `releases other points than hold ${refersTo} has`;
  }
  close(replay, hold, hold.allocations);
  const status = isExpired ? "expired" : "released";
  return flawOfHold(hold, { status, settled: 0n }, sequence);
}

function openHold({ holds }: Replay, number: bigint | null): Hold | undefined {
  return number === null ? undefined : holds.get(number);
}

function close(replay: Replay, hold: Hold, back: readonly Allocation[]): void {
  for (const { lot, points } of hold.allocations) replay.lots.get(lot)!.frozen -= points;
  for (const { lot, points } of back) replay.lots.get(lot)!.remaining += points;
  replay.holds.delete(hold.number);
}

/** What its row says, and what the entry that closed it says. */
function flawOfHold(
  row: Hold,
  { status, settled }: Pick<Hold, "status" | "settled">,
  closedBy: bigint,
): Found {
  if (row.status === status && row.settled === settled) return undefined;
  const what =
    `its hold is ${row.status} with ${row.settled} settled, ` +
    `entry ${closedBy} made it ${status} with ${settled}`;
  return { sequence: row.number, what };
}

function refund(replay: Replay, entry: Entry, lot: ReplayedLot["row"] | undefined): Found {
  const { sequence, points, allocations, refersTo, priority, time } = entry;
  const original = refersTo === null ? undefined : replay.refundables.get(refersTo);
  if (original === undefined || points > original.left) {
    const left = original?.left ?? 0n;
    return `refunds ${points} points of entry ${refersTo}, of which its refund row leaves ${left}`;
  }
  const back = lastTaken(original, points);
  const lotOf = (part: Allocation) => replay.lots.get(part.lot)!;
  const gone = lot === undefined ? [] : back.filter((part) => isDue(lotOf(part).row, time));
  const alive = back.filter((part) => !gone.includes(part));
  const reissued = gone.length === 0 ? [] : [{ lot: sequence, points: sumPoints(gone) }];
  if (!sameAllocations(allocations, [...alive, ...reissued])) {
    return `gives back to other lots than entry ${refersTo} took from`;
  }
  if (lot === undefined && entry.expireTime !== null) return "has an expiry, and made no lot";
  const first = gone.map((part) => lotOf(part).row.priority).toSorted((a, b) => a - b)[0] ?? 0;
  if (priority !== first) return `has priority ${priority}, and not ${first}`;
  if (lot !== undefined && entry.expireTime === null) return "makes points that expired permanent";

  for (const part of alive) lotOf(part).remaining += part.points;
  if (lot !== undefined) replay.lots.set(sequence, newLot(lot, sumPoints(gone)));
  original.refunded += points;
  original.left -= points;
  if (original.left === 0n) endRefunds(replay, refersTo!, original);
}

/** Of what an entry took, so many points from the end, after those that were refunded before. */
function lastTaken({ allocations, refunded }: Refundable, points: bigint): readonly Allocation[] {
  const { rest } = splitAllocations(allocations.toReversed(), refunded);
  return splitAllocations(rest, points).first;
}

function awaitRefunds(replay: Replay, { sequence, allocations }: Entry, left: bigint): void {
  replay.refundables.set(sequence, { allocations, refunded: 0n, left });
  for (const { lot } of allocations) replay.lots.get(lot)!.refundables += 1;
}

function endRefunds(replay: Replay, sequence: bigint, { allocations }: Refundable): void {
  replay.refundables.delete(sequence);
  for (const { lot } of allocations) replay.lots.get(lot)!.refundables -= 1;
  forgetEmpty(replay, allocations);
}

/**
 * Of an account with a million entries most lots are empty for good. By their rows they are to be,
 * and no refund is to come: if an entry wants something of one, it is wrong.
 */
function forgetEmpty({ lots }: Replay, allocations: readonly Allocation[]): void {
  for (const { lot: number } of allocations) {
    const lot = lots.get(number);
    if (lot === undefined || lot.refundables > 0) continue;
    const { row, remaining, frozen } = lot;
    if (remaining + frozen + row.remaining + row.frozen === 0n) lots.delete(number);
  }
}
