import { type Account, type Figures, GENESIS_HASH, MAX_TOTAL } from "../ledger/account.ts";
import type { Lot } from "../ledger/lot.ts";
import type { Micros } from "../ledger/time.ts";
import { ROW_MAX_LOTS } from "../store/batch/placement.ts";
import type { ReadAccount } from "./accounts.ts";
import { owedNext } from "./allowances.ts";
import { flawOfContent, flawOfRows, sameBytes } from "./content.ts";
import type { StreamPlace } from "./epochs.ts";
import { type Erasures, flawOfErasedAccount, flawOfErasure, noErasures } from "./erasure.ts";
import { flawOfOpenHold } from "./holds.ts";
import { burnsBefore, type Flaw, type Moves, noMoves, replayMoves } from "./moves.ts";
import { flawOfPolicyRows, replayPolicies } from "./policies.ts";
import { flawOfClaims } from "./revoking.ts";
import type { Step, StoredLot } from "./rows.ts";

// Replays an account's journal, to tell what its rows must be. This folder has the rules written
// anew (docs/guarantees.md) and takes only types and constants from the ledger, so that a bug in the
// ledger's rules is found as well.

/** An account as far as its journal has been replayed, without the lots and holds closed for good. */
export type Replay = {
  readonly userId: string;
  readonly salt: Uint8Array;
  sequence: bigint;
  hash: Uint8Array;
  /** Of the last entry. */
  time: Micros | undefined;
  /** Of the last entry in the stream of all entries. */
  place: StreamPlace | undefined;
  readonly moves: Moves;
  readonly erasures: Erasures;
};

/** The replay of an account before its first entry. */
export function startReplay(userId: string, salt: Uint8Array): Replay {
  return {
    userId,
    salt,
    sequence: 0n,
    hash: GENESIS_HASH,
    time: undefined,
    place: undefined,
    moves: noMoves(),
    erasures: noErasures(),
  };
}

/**
 * Replays one entry.
 *
 * @returns its first flaw; then the replay is not to be used any more
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

  const flaw =
    flawOfContent(replay, entry) ??
    flawOfRows(step, entry) ??
    flawOfErasure(replay.erasures, replay.hash, entry);
  if (flaw !== undefined) return { sequence: number, what: flaw };
  const before = { figures: { ...replay.moves.books.figures }, time: replay.time };
  const moved = replayMoves(replay.moves, step, entry);
  if (moved !== undefined) return moved;
  const { policies, books } = replay.moves;
  const ruled = replayPolicies(policies, books, { before, entry });
  if (ruled !== undefined) return { sequence: number, what: ruled };
  const wrong = flawOfFigures(entry.after, replay.moves.books.figures);
  if (wrong !== undefined) return { sequence: number, what: `leaves ${wrong}` };

  replay.sequence = number;
  replay.hash = entry.hash;
  replay.time = entry.time;
}

/** Compares an account's row, and the rows that may still change, with the end of its journal. */
export function endReplay(
  { sequence, hash, time, place, moves, erasures }: Replay,
  account: Account,
  row: ReadAccount,
): Flaw | undefined {
  if (account.sequence > sequence) return { sequence: sequence + 1n, what: "is missing" };
  if (account.sequence < sequence) {
    const what = `comes after the account's last entry, which is ${account.sequence}`;
    return { sequence: account.sequence + 1n, what };
  }
  const wrong = flawOfFigures(account, moves.books.figures);
  if (wrong !== undefined) return { what: `the account has ${wrong}` };
  if (!sameBytes(account.hash, hash)) return { what: "the account has not its last entry's hash" };
  if (account.updateTime !== (time ?? account.createTime)) {
    return { what: "the account has not its last entry's time" };
  }
  if (place !== undefined && (row.place.epoch !== place.epoch || row.place.feed !== place.feed)) {
    return { what: "the account has not its last entry's epoch and feed number" };
  }
  if (row.repaidUntil !== moves.repaidUntil) {
    return { what: "the account has another repaid_until than the lots that repaid debt" };
  }
  return (
    flawOfOpenRows(moves) ??
    flawOfRevocations(moves, row) ??
    flawOfPlaces(moves, row) ??
    flawOfPolicies(moves, account, row) ??
    flawOfErasedAccount(erasures, row) ??
    flawOfClock(moves, row)
  );
}

function flawOfPolicies(
  { policies, books }: Moves,
  { updateTime: time }: Account,
  row: ReadAccount,
): Flaw | undefined {
  if (row.policies === undefined) return { what: "a policy of the account cannot be read" };
  if (row.policyCount !== row.policies.length) {
    return { what: `the account has policies ${row.policyCount}, not ${row.policies.length}` };
  }
  const { figures } = books;
  const what = flawOfPolicyRows(policies, row.policies, { time, figures });
  return what === undefined ? undefined : { what };
}

/** Compares what the account's row says of its open lots and holds with what the entries leave. */
function flawOfClock(
  { books }: Moves,
  { dueTime, openHolds, policies = [] }: ReadAccount,
): Flaw | undefined {
  if (openHolds !== books.holds.size) {
    return { what: `the account has open_holds ${openHolds}, not ${books.holds.size}` };
  }
  if (dueTime === undefined) return { what: "the account has a due_time that cannot be read" };
  // Lots that an allowance gave for some periods wake nobody, and of those to come only what is owed.
  const given = new Set(policies.flatMap((policy) => policy.given));
  const spendable = [...books.lots]
    .filter(([number, { remaining }]) => remaining > 0n && !given.has(number))
    .map(([, lot]) => lot);
  const owed = owedNext(policies, books).map((expireTime) => ({ expireTime }));
  for (const { expireTime } of [...spendable, ...books.holds.values(), ...owed]) {
    if (expireTime === null || (dueTime !== null && dueTime <= expireTime)) continue;
    return { what: "the account has a due_time after something falls due" };
  }
}

/**
 * Checks which open lots are in the account's row and which in the table: the row says the number
 * and the sums of those in the table, and its spendable lots burn before theirs, in their order.
 */
function flawOfPlaces({ lots }: Moves, { beyond, lots: inRow }: ReadAccount): Flaw | undefined {
  if (inRow.length > ROW_MAX_LOTS) {
    return { what: `the account's row has ${inRow.length} lots, more than ${ROW_MAX_LOTS}` };
  }
  for (const [at, lot] of inRow.slice(1).entries()) {
    const before = inRow[at]!;
    if (burns(before, lot)) continue;
    return {
      sequence: lot.number,
      what: `its lot comes after lot ${before.number} in the account's row, and burns before it`,
    };
  }
  const is = { count: 0, remaining: 0n, frozen: 0n, scoped: 0n };
  let lastInRow: StoredLot | undefined;
  let firstInTable: StoredLot | undefined;
  for (const { stored } of lots.values()) {
    if (stored === undefined) continue;
    if (stored.inRow) {
      if (stored.remaining > 0n) lastInRow = laterOf(lastInRow, stored);
      continue;
    }
    is.count += 1;
    is.remaining += stored.remaining;
    is.frozen += stored.frozen;
    if (stored.services.length > 0) is.scoped += stored.remaining;
    if (stored.remaining > 0n) firstInTable = earlierOf(firstInTable, stored);
  }
  for (const [sum, name] of BEYOND) {
    if (beyond[sum] === is[sum]) continue;
    return { what: `the account has ${name} ${beyond[sum]}, not ${is[sum]}` };
  }
  if (lastInRow === undefined || firstInTable === undefined) return undefined;
  if (burns(lastInRow, firstInTable)) return undefined;
  const what = `its lot is not in the account's row, and burns before lot ${lastInRow.number}, which is`;
  return { sequence: firstInTable.number, what };
}

const BEYOND = [
  ["count", "lots_beyond"],
  ["remaining", "beyond_remaining"],
  ["frozen", "beyond_frozen"],
  ["scoped", "beyond_scoped"],
] as const;

function burns(one: Lot, other: Lot): boolean {
  return burnsBefore([one.number, one], [other.number, other]);
}

function laterOf(one: StoredLot | undefined, other: StoredLot): StoredLot {
  return one === undefined || burns(one, other) ? other : one;
}

function earlierOf(one: StoredLot | undefined, other: StoredLot): StoredLot {
  return one === undefined || burns(other, one) ? other : one;
}

/** Compares the rows of lots, open holds and refunds with what the whole journal leaves in them. */
function flawOfOpenRows({ books, lots, holds, refundables }: Moves): Flaw | undefined {
  for (const [number, { stored }] of lots) {
    const { remaining, frozen } = books.lots.get(number)!;
    const left = `the entries leave ${remaining} and ${frozen}`;
    if (stored === undefined) {
      if (remaining + frozen === 0n) continue;
      return { sequence: number, what: `its lot is gone, ${left}` };
    }
    const isOpen = remaining + frozen > 0n;
    if (isOpen && stored.remaining === remaining && stored.frozen === frozen) continue;
    const has = `its lot has ${stored.remaining} remaining and ${stored.frozen} frozen`;
    return { sequence: number, what: `${has}, ${left}` };
  }
  for (const [number, row] of holds) {
    const what = flawOfOpenHold(books.holds.get(number)!, row);
    if (what !== undefined) return { sequence: number, what };
  }
  for (const [number, { refunded, left }] of refundables) {
    const what = `its refunds add up to ${refunded}, its undone row says ${refunded + left}`;
    return { sequence: number, what };
  }
}

/** Compares what the rows say was revoked of lots, and is claimed, with what the whole journal says. */
function flawOfRevocations(
  { books, revocations }: Moves,
  { openClaims }: ReadAccount,
): Flaw | undefined {
  const waiting = flawOfClaims(books);
  if (waiting !== undefined) return { what: `the end of the journal ${waiting}` };
  let claims = 0;
  for (const [lot, { revoked, claimed }] of books.revocations) {
    if (claimed > 0n) claims += 1;
    const row = revocations.get(lot) ?? { revoked: 0n, claimed: 0n };
    if (row.revoked === revoked && row.claimed === claimed) continue;
    const says = `its undone row says ${row.revoked} and ${row.claimed}`;
    return {
      sequence: lot,
      what: `of its lot ${revoked} are revoked and ${claimed} claimed, ${says}`,
    };
  }
  for (const lot of revocations.keys()) {
    if (books.revocations.has(lot)) continue;
    return { sequence: lot, what: "nothing of its lot is revoked, its undone row says something" };
  }
  if (openClaims === claims) return undefined;
  return { what: `the account has open_claims ${openClaims}, not ${claims}` };
}

/** The names of the rows beside an entry. */
export function rowNames({ lot, hold, refunded, revocation }: Step): string[] {
  const names = [];
  if (lot !== undefined) names.push("lot");
  if (hold !== undefined) names.push("hold");
  if (refunded !== undefined || revocation !== undefined) names.push("undone row");
  return names;
}

const FIGURES = [
  ["balance", "balance"],
  ["frozen", "frozen"],
  ["totalRecharged", "total_recharged"],
  ["totalConsumed", "total_consumed"],
  ["totalExpired", "total_expired"],
  ["totalRefunded", "total_refunded"],
  ["totalRevoked", "total_revoked"],
  ["debt", "debt"],
] as const;

/**
 * Compares figures with those of the books. Where they are equal, the ledger's equation holds: each
 * posting keeps it.
 */
function flawOfFigures(is: Figures, expected: Figures): string | undefined {
  for (const [figure, name] of FIGURES) {
    if (is[figure] !== expected[figure]) return `${name} ${is[figure]}, not ${expected[figure]}`;
    if (is[figure] < 0n) return `${name} ${is[figure]}`;
  }
  const { totalRecharged, totalRefunded, debt } = is;
  if (totalRecharged + totalRefunded + debt > MAX_TOTAL) return "a total that is too large";
}
