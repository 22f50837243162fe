import { Shortfall } from "../../../gen/points/v1/points_pb.ts";
import { type Part, totalOf } from "./parts.ts";
import { creditLineOf } from "./policies.ts";
import { LAST_INSTANT, refused, type Refused, roomOf } from "./refusals.ts";
import { isPast, type Replayed, type ReplayedLot } from "./replay.ts";

// What becomes of a cost that nobody can pay, and who repays it.

/** How a cost is paid. */
export type Payment = {
  /** What the balance pays, in burn order. */
  readonly parts: readonly Part[];
  readonly owed: bigint;
  readonly uncovered: bigint;
};

/** A cost, the service that it is for, and what becomes of what the balance lacks. */
type Cost = {
  readonly points: bigint;
  /** Undefined: no service. */
  readonly service: string | undefined;
  readonly onShortfall: Shortfall;
};

/** Pays a cost as far as there are points and credit. */
export function pay(account: Replayed, cost: Cost): Payment {
  const parts = burn(account, cost.points, (lot) => isFor(lot, cost.service));
  const lacking = cost.points - totalOf(parts);
  const credit = creditLineOf(account) - account.debt;
  const room = roomOf(account);
  const mayOwe = cost.onShortfall === Shortfall.OWE && credit > 0n;
  const owed = mayOwe ? least(lacking, credit, room) : 0n;
  return { parts, owed, uncovered: lacking - owed };
}

/** What lots that `may` be taken have, up to some points, in burn order. */
export function burn(
  { spendable }: Replayed,
  points: bigint,
  may: (lot: ReplayedLot) => boolean,
): readonly Part[] {
  const parts: Part[] = [];
  let missing = points;
  for (const { number: lot, remaining } of spendable.filter(may)) {
    if (missing === 0n) break;
    const some = least(remaining, missing);
    parts.push({ lot, points: some });
    missing -= some;
  }
  return parts;
}

/** The refusal of a cost that lacks points. */
export function insufficient(
  { balance, spendable }: Replayed,
  { required, shortfall }: { readonly required: bigint; readonly shortfall: bigint },
  may: (lot: ReplayedLot) => boolean,
): Refused {
  const usable = spendable.reduce((sum, lot) => (may(lot) ? sum + lot.remaining : sum), 0n);
  return refused("INSUFFICIENT_POINTS", { balance, usable, required, shortfall });
}

/** Whether usage of a service may take of a lot; undefined: points without a usage. */
export function isFor({ services }: ReplayedLot, service: string | undefined): boolean {
  return services.length === 0 || (service !== undefined && services.includes(service));
}

/** Points that come back to lots, and what of them repays debt instead. */
export type ComeBack = {
  readonly kept: readonly Part[];
  readonly repaying: readonly Part[];
  /** The latest expiry of all lots that ever repaid debt; LAST_INSTANT: never; 0: none did. */
  readonly repaidUntil: bigint;
};

/** What an account owes at an instant, and what is claimed of a lot if not what the lot says. */
type Owing = {
  readonly debt: bigint;
  readonly now: bigint;
  readonly claimOn?: (lot: ReplayedLot) => bigint;
};

/**
 * Points of lots for anything repay debt, unless they are past their time or claimed. The parts name
 * each lot once.
 */
export function comeBack(
  { lots, repaidUntil: before }: Replayed,
  parts: readonly Part[],
  { debt, now, claimOn = ({ claimed }) => claimed }: Owing,
): ComeBack {
  let [left, repaidUntil] = [debt, before];
  const split = parts.map((part) => {
    const lot = lots.get(part.lot)!;
    const free = part.points - least(part.points, claimOn(lot));
    const pays = lot.services.length > 0 || isPast(lot, now) ? 0n : least(free, left);
    left -= pays;
    if (pays > 0n) repaidUntil = untilAfter(repaidUntil, lot);
    return { lot: part.lot, pays, keeps: part.points - pays };
  });
  const partsOf = (which: "pays" | "keeps") =>
    split.flatMap((one) => (one[which] > 0n ? [{ lot: one.lot, points: one[which] }] : []));
  return { kept: partsOf("keeps"), repaying: partsOf("pays"), repaidUntil };
}

/** The latest expiry of the lots that repaid debt, after one more. */
export function untilAfter(before: bigint, { expireTime }: Pick<ReplayedLot, "expireTime">) {
  const until = expireTime ?? LAST_INSTANT;
  return until > before ? until : before;
}

/** The least of some numbers. */
export function least(first: bigint, ...others: readonly bigint[]): bigint {
  return others.reduce((one, other) => (other < one ? other : one), first);
}
