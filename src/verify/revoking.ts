import type { Allocation } from "../ledger/lot.ts";
import { lower } from "./allocations.ts";
import type { Books, Posting } from "./books.ts";

/** What the entries so far have revoked of a lot, and what of that it has not given yet. */
export type BookedRevocation = { revoked: bigint; claimed: bigint };

/**
 * Notes what a REVOKE entry revokes, before its points are taken. What a lot lacks is claimed of it, or
 * others pay it; and a claim takes what has come back, as much as there is.
 */
export function noteRevoked<Expiry>(
  books: Books<Expiry>,
  entry: Posting<Expiry>,
): string | undefined {
  const { sequence, refersTo: number, points, uncovered, owed, fromClaim } = entry;
  if (number === null) return fromClaim ? "is a claim's, and names no lot" : undefined;
  if (fromClaim) return takeForClaim(books, entry, number);
  const lot = books.lots.get(number);
  if (lot === undefined) return `revokes points of lot ${number}, which is missing`;
  const before = books.revocations.get(number) ?? { revoked: 0n, claimed: 0n };
  const revoked = before.revoked + points + uncovered;
  if (revoked > lot.points) {
    return `revokes ${revoked} points of lot ${number} in all, which had ${lot.points}`;
  }
  const { own, others } = splitRevoked(entry);
  const isAll = own?.points === points + uncovered || (own?.points ?? 0n) === lot.remaining;
  if (!isAll || (uncovered > 0n && owed + BigInt(others.length) > 0n)) {
    return `takes other points than lot ${number} has and lacks`;
  }
  books.revocations.set(number, { revoked, claimed: before.claimed + uncovered });
  if (uncovered > 0n) books.claimants.set(sequence, number);
}

/** What a revocation of a lot took of that lot, and of others. */
export function splitRevoked({
  allocations,
  refersTo,
}: Pick<Posting<unknown>, "allocations" | "refersTo">): {
  readonly own: Allocation | undefined;
  readonly others: readonly Allocation[];
} {
  const [first, ...rest] = allocations;
  const isOwn = first !== undefined && first.lot === refersTo;
  return isOwn ? { own: first, others: rest } : { own: undefined, others: allocations };
}

function takeForClaim<Expiry>(
  books: Books<Expiry>,
  { points, allocations, owed, uncovered }: Posting<Expiry>,
  number: bigint,
): string | undefined {
  if (owed + uncovered > 0n) return "is a claim's, and lacks points";
  if (firstCameBack(books) !== number) {
    return `is of the claim on lot ${number}, to which nothing came back`;
  }
  const revocation = books.revocations.get(number)!;
  const { remaining } = books.lots.get(number)!;
  const due = lower(remaining, revocation.claimed);
  if (points !== due || allocations.some(({ lot }) => lot !== number)) {
    return `takes ${points} points for the claim on lot ${number}, and not ${due}`;
  }
  books.cameBack.delete(number);
  revocation.claimed -= points;
}

/** Notes that points came back to lots: claims on them come next. */
export function noteComeBack<Expiry>(books: Books<Expiry>, parts: readonly Allocation[]): void {
  if (books.revocations.size === 0) return;
  for (const { lot } of parts) if (claimedOf(books, lot) > 0n) books.cameBack.add(lot);
}

/** A claim takes what came back to its lot before anything else happens. */
export function flawOfClaims<Expiry>(books: Books<Expiry>): string | undefined {
  const first = firstCameBack(books);
  return first === undefined ? undefined : `comes before the claim on lot ${first}`;
}

function firstCameBack<Expiry>({ cameBack }: Books<Expiry>): bigint | undefined {
  return [...cameBack].toSorted((a, b) => (a < b ? -1 : 1))[0];
}

/** The points that are claimed of a lot. */
export function claimedOf<Expiry>({ revocations }: Books<Expiry>, lot: bigint): bigint {
  return revocations.get(lot)?.claimed ?? 0n;
}

/** A refund of a revocation ends what of its claim is open. */
export function endClaim<Expiry>(
  books: Books<Expiry>,
  { refersTo, uncovered }: Posting<Expiry>,
): string | undefined {
  if (uncovered === 0n) return undefined;
  const lot = books.claimants.get(refersTo!);
  const revocation = lot === undefined ? undefined : books.revocations.get(lot);
  const claimed = revocation?.claimed ?? 0n;
  if (revocation === undefined || uncovered > claimed) {
    return `ends ${uncovered} points of the claim of entry ${refersTo}, which has ${claimed} open`;
  }
  revocation.claimed -= uncovered;
}
