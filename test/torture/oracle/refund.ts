import type { RefundRequest } from "../../../gen/points/v1/points_pb.ts";
import { comeBack, least } from "./debt.ts";
import { firstOf, type Part, totalOf, withoutFirst } from "./parts.ts";
import {
  endsWell,
  INVALID,
  LAST_INSTANT,
  lotsFull,
  refused,
  type Refused,
  tooLarge,
} from "./refusals.ts";
import {
  addLot,
  type Draft,
  draftOf,
  isPast,
  moveLot,
  type Replayed,
  type ReplayedLot,
  type Spend,
} from "./replay.ts";
import { nanosOf } from "./time.ts";

/** The oracle's verdict on a Refund: last taken first, back to its lots or into a new one. */
export function decideRefund(
  account: Replayed,
  request: RefundRequest,
  now: bigint,
): Draft | Refused {
  const { sequence, reissueTtl } = request;
  const expireTime = reissueTtl === undefined ? undefined : now + nanosOf(reissueTtl) / 1000n;
  if (!endsWell(expireTime, now)) return INVALID;
  const spend = account.spends.get(sequence);
  if (spend === undefined) {
    const kind = account.kinds.get(sequence);
    if (kind === undefined) return refused("ENTRY_NOT_FOUND", { sequence });
    return refused("ENTRY_NOT_REFUNDABLE", { sequence, kind });
  }
  const refundable = spend.points - spend.refunded;
  const points = request.points ?? refundable;
  if (points > refundable || refundable === 0n) {
    return refused("REFUND_EXCEEDS_ENTRY", { sequence, refundable, required: points });
  }
  const large = tooLarge(account, "total_refunded", points);
  if (large !== undefined) return large;

  const { forgiven, again, taken } = lastTaken(account, spend, points);
  const isReissued = ({ lot }: Part) =>
    expireTime !== undefined && isPast(account.lots.get(lot)!, now);
  const reissued = taken.filter(isReissued);
  const toLots = taken.filter((part) => !isReissued(part));
  const debt = account.debt - forgiven;
  const back = comeBack(account, toLots, { debt, now });
  const general = reissued.filter(({ lot }) => account.lots.get(lot)!.services.length === 0);
  const left = debt - totalOf(back.repaying);
  const alsoRepaid = least(left, totalOf(general));
  const repaid = forgiven + totalOf(back.repaying) + alsoRepaid;
  const { repaidUntil } = back;
  const fresh = again + totalOf(reissued) - alsoRepaid;
  const ofDebt = repaidUntil === LAST_INSTANT ? undefined : repaidUntil;
  const end = reissueTtl === undefined ? ofDebt : expireTime;
  const made = fresh === 0n ? undefined : newLot(account, { fresh, reissued, again, end });
  const opened = back.kept
    .map(({ lot }) => account.lots.get(lot)!)
    .filter((lot) => !account.openLots.has(lot) && !isPast(lot, now));
  const more = opened.length + (made === undefined ? 0 : 1);
  const full = lotsFull(account, more);
  if (full !== undefined) return full;
  const parts =
    made === undefined ? back.kept : [...back.kept, { lot: made.number, points: made.points }];
  return {
    ...draftOf("refund", parts),
    points,
    repaid,
    refersTo: sequence,
    expireTime: made?.expireTime,
    priority: made?.priority ?? 0,
    category: made?.category ?? "",
    services: made?.services ?? [],
    change(after) {
      after.balance += points - repaid;
      after.debt -= repaid;
      after.repaidUntil = repaidUntil;
      after.totalRefunded += points;
      for (const part of back.kept) moveLot(after, part.lot, part.points, 0n);
      if (made !== undefined) addLot(after, { ...made });
      after.spends.get(sequence)!.refunded += points;
    },
  };
}

/** What is given back: of what was owed, the debt that there still is and the rest; then of lots. */
function lastTaken(account: Replayed, { parts, owed, refunded }: Spend, points: bigint) {
  const before = least(refunded, owed);
  const fromDebt = least(points, owed - before);
  const lots = withoutFirst(parts.toReversed(), refunded - before);
  const sums = new Map<bigint, bigint>();
  for (const { lot, points: some } of firstOf(lots, points - fromDebt)) {
    sums.set(lot, (sums.get(lot) ?? 0n) + some);
  }
  const taken = [...sums].map(([lot, sum]) => ({ lot, points: sum }));
  const forgiven = least(fromDebt, account.debt);
  return { forgiven, again: fromDebt - forgiven, taken };
}

type Made = {
  readonly fresh: bigint;
  readonly reissued: readonly Part[];
  /** The points of it that were owed and repaid since. */
  readonly again: bigint;
  readonly end: bigint | undefined;
};

function newLot(account: Replayed, { fresh: points, reissued, again, end }: Made): ReplayedLot {
  const lots = reissued.map(({ lot }) => account.lots.get(lot)!);
  const isOfDebt = again > 0n;
  const priority = isOfDebt ? 0 : Math.min(...lots.map((lot) => lot.priority));
  const isOneKind = !isOfDebt && lots.every((lot) => lot.category === lots[0]!.category);
  const category = isOneKind ? lots[0]!.category : "";
  const scoped = lots.filter((lot) => lot.services.length > 0);
  const services = (scoped[0]?.services ?? []).filter((service) =>
    scoped.every((lot) => lot.services.includes(service)),
  );
  const number = account.sequence + 1n;
  const made = { number, points, remaining: points, frozen: 0n };
  return { ...made, priority, expireTime: end, category, services };
}
