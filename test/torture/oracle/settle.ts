import { type SettleRequest, Shortfall } from "../../../gen/points/v1/points_pb.ts";
import { comeBack, pay, type Payment } from "./debt.ts";
import { unfreeze } from "./due.ts";
import { entryChanged } from "./guard.ts";
import { firstOf, totalOf, withoutFirst } from "./parts.ts";
import { costOf, type Prices } from "./pricing.ts";
import { INVALID, refused, type Refused } from "./refusals.ts";
import {
  addSpend,
  closeHold,
  type Draft,
  draftOf,
  moveLot,
  type Replayed,
  type ReplayedHold,
  takeParts,
} from "./replay.ts";

/** The oracle's verdict on a Settle: the hold pays first, then the balance. */
export function decideSettle(
  account: Replayed,
  request: SettleRequest,
  now: bigint,
  prices: Prices,
): Draft | Refused {
  const hold = openHold(account, request);
  if ("refused" in hold) return hold;
  const { cost, onShortfall, keepOpen } = request;
  const held = totalOf(hold.parts);
  const spent = cost.case === undefined ? { points: held, usage: undefined } : costOf(cost, prices);
  if ("refused" in spent) return spent;
  const { service } = spent.usage ?? {};
  if (hold.service !== "" && service !== undefined && service !== hold.service) return INVALID;
  const beyond = spent.points - held;
  if (beyond > 0n && onShortfall !== Shortfall.TAKE && onShortfall !== Shortfall.OWE) {
    return refused("HOLD_EXCEEDED", { held, required: spent.points });
  }
  const points = beyond > 0n ? beyond : 0n;
  const payment = pay(account, { points, service, onShortfall });
  const ofHold = spent.points - points;
  return { ...settleOf(account, { hold, ofHold, payment, keepOpen, now }), usage: spent.usage };
}

/** The open hold that a request names, or the refusal. */
export function openHold(
  account: Replayed,
  { hold: number, expectedHash }: Pick<SettleRequest, "hold" | "expectedHash">,
): ReplayedHold | Refused {
  const changed = entryChanged(account, number, expectedHash);
  if (changed !== undefined) return changed;
  const hold = account.holds.get(number);
  if (hold === undefined) return refused("HOLD_NOT_FOUND", { hold: number });
  if (hold.status === "expired") return refused("HOLD_EXPIRED", { hold: number });
  if (hold.status === "open") return hold;
  return refused("HOLD_CLOSED", { hold: number, state: hold.status });
}

type Settling = {
  readonly hold: ReplayedHold;
  /** The points that it pays. */
  readonly ofHold: bigint;
  /** What is paid beside it. */
  readonly payment: Payment;
  readonly keepOpen: boolean;
  readonly now: bigint;
};

function settleOf(account: Replayed, { hold, ofHold, payment, keepOpen, now }: Settling): Draft {
  const { parts: beside, owed, uncovered } = payment;
  const ofParts = firstOf(hold.parts, ofHold);
  const rest = withoutFirst(hold.parts, ofHold);
  const returned = keepOpen ? [] : rest;
  const back = comeBack(account, returned, { debt: account.debt, now });
  const parts = [...ofParts, ...beside];
  const points = totalOf(parts) + owed;
  return {
    ...draftOf("settle", parts),
    points,
    returned: totalOf(returned),
    keptOpen: keepOpen,
    repaid: totalOf(back.repaying),
    fromBalance: totalOf(beside),
    owed,
    uncovered,
    refersTo: hold.number,
    change(after) {
      after.frozen -= ofHold;
      for (const part of ofParts) moveLot(after, part.lot, 0n, -part.points);
      unfreeze(after, back);
      takeParts(after, beside);
      const settled = after.holds.get(hold.number)!;
      settled.settled += ofHold;
      if (keepOpen) settled.parts = rest;
      else closeHold(after, hold, "settled");
      after.totalConsumed += points;
      addSpend(after, { points, parts, owed });
    },
  };
}
