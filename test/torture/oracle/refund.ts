import type { RefundRequest } from "../../../gen/points/v1/points_pb.ts";
import { firstOf, type Part, totalOf, withoutFirst } from "./parts.ts";
import { endsWell, INVALID, lotsFull, refused, type Refused, tooLarge } from "./refusals.ts";
import {
  addLot,
  type Draft,
  draftOf,
  isPast,
  moveLot,
  type Replayed,
  type ReplayedLot,
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

  const lastFirst = spend.parts.toReversed();
  const back = firstOf(withoutFirst(lastFirst, spend.refunded), points);
  const isReissued = ({ lot }: Part) =>
    expireTime !== undefined && isPast(account.lots.get(lot)!, now);
  const reissued = back.filter(isReissued);
  const returned = back.filter((part) => !isReissued(part));
  const made = reissued.length === 0 ? undefined : reissue(account, reissued, expireTime);
  const opened = returned
    .map(({ lot }) => account.lots.get(lot)!)
    .filter((lot) => !account.openLots.has(lot) && !isPast(lot, now));
  const more = opened.length + (made === undefined ? 0 : 1);
  const full = lotsFull(account, more);
  if (full !== undefined) return full;
  const parts =
    made === undefined ? returned : [...returned, { lot: made.number, points: made.points }];
  return {
    ...draftOf("refund", parts),
    refersTo: sequence,
    expireTime: made?.expireTime,
    priority: made?.priority ?? 0,
    category: made?.category ?? "",
    services: made?.services ?? [],
    change(after) {
      after.balance += points;
      after.totalRefunded += points;
      for (const part of returned) moveLot(after, part.lot, part.points, 0n);
      if (made !== undefined) addLot(after, { ...made });
      after.spends.get(sequence)!.refunded += points;
    },
  };
}

function reissue(
  account: Replayed,
  expired: readonly Part[],
  expireTime: bigint | undefined,
): ReplayedLot {
  const points = totalOf(expired);
  const lots = expired.map(({ lot }) => account.lots.get(lot)!);
  const priority = Math.min(...lots.map((lot) => lot.priority));
  const category = lots.every((lot) => lot.category === lots[0]!.category) ? lots[0]!.category : "";
  const scoped = lots.filter((lot) => lot.services.length > 0);
  const services = (scoped[0]?.services ?? []).filter((service) =>
    scoped.every((lot) => lot.services.includes(service)),
  );
  const number = account.sequence + 1n;
  const made = { number, points, remaining: points, frozen: 0n };
  return { ...made, priority, expireTime, category, services };
}
