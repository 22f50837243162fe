import type { Operation } from "../../../gen/points/v1/points_pb.ts";
import type { PricedUsage } from "../../../gen/points/v1/prices_pb.ts";
import { firstOf, type Part, totalOf, withoutFirst } from "./parts.ts";
import { costOf, type Prices } from "./pricing.ts";
import { decideRefund } from "./refund.ts";
import {
  endsWell,
  holdsFull,
  INVALID,
  lotsFull,
  MAX_POINTS,
  refused,
  type Refused,
  tooLarge,
} from "./refusals.ts";
import {
  addHold,
  addLot,
  closeHold,
  type Dated,
  type Draft,
  draftOf,
  moveLot,
  releaseOf,
  type Replayed,
  type ReplayedHold,
  type ReplayedLot,
  debitOf,
} from "./replay.ts";
import { microsOf, nanosOf } from "./time.ts";

/** An operation whose oneof is set; the load revokes nothing. */
export type SetOperation = Exclude<Operation["operation"], { case: undefined | "revoke" }>;

const DAY = 86_400_000_000n;

/**
 * The oracle's verdict on an operation, given an account with everything due booked: an entry, a
 * refusal, or undefined if there is nothing to do.
 */
export function decide(
  account: Replayed,
  operation: SetOperation,
  now: bigint,
  prices: Prices,
): Dated | Refused | undefined {
  const decided = decideUndated(account, operation, now, prices);
  return decided === undefined || "refused" in decided ? decided : { ...decided, time: now };
}

function decideUndated(
  account: Replayed,
  operation: SetOperation,
  now: bigint,
  prices: Prices,
): Draft | Refused | undefined {
  switch (operation.case) {
    case "recharge": {
      const { points, priority, expiration, category, services } = operation.value;
      const expireTime = endOf(expiration, now);
      if (isMalformed(operation) || !endsWell(expireTime, now)) return INVALID;
      const refusal = tooLarge(account, "total_recharged", points) ?? lotsFull(account, 1);
      return refusal ?? rechargeOf(account, points, { priority, expireTime, category, services });
    }
    case "consume": {
      const cost = costOf(operation.value.cost, prices);
      if ("refused" in cost) return cost;
      const parts = burn(account, cost.points, (lot) => isFor(lot, cost.usage?.service));
      return "refused" in parts ? parts : { ...debitOf("consume", parts), usage: cost.usage };
    }
    case "expire":
      return decideExpire(account, operation.value.target);
    case "freeze": {
      const { expiration } = operation.value;
      const expireTime = endOf(expiration, now) ?? now + DAY;
      if (!endsWell(expireTime, now) || expireTime > now + 30n * DAY) return INVALID;
      const cost = costOf(operation.value.cost, prices);
      if ("refused" in cost) return cost;
      const parts = burn(account, cost.points, (lot) => isFor(lot, cost.usage?.service));
      if ("refused" in parts) return parts;
      return holdsFull(account) ?? freezeOf(account, parts, expireTime, cost.usage);
    }
    case "settle": {
      const hold = openHold(account, operation.value.hold);
      if ("refused" in hold) return hold;
      const { cost } = operation.value;
      const spent =
        cost.case === undefined ? { points: hold.points, usage: undefined } : costOf(cost, prices);
      if ("refused" in spent) return spent;
      const { service = hold.service } = spent.usage ?? {};
      if (hold.service !== "" && service !== hold.service) return INVALID;
      if (spent.points > hold.points) {
        return refused("HOLD_EXCEEDED", { held: hold.points, required: spent.points });
      }
      return settleOf(hold, spent.points, spent.usage);
    }
    case "release": {
      const hold = openHold(account, operation.value.hold);
      return "refused" in hold ? hold : releaseOf(hold, "released");
    }
    case "refund":
      return decideRefund(account, operation.value, now);
  }
}

/** Whether validation refuses the operation before any lookup, even as a repeat. */
export function isMalformed({ case: kind, value }: SetOperation): boolean {
  return kind === "recharge" && (value.points < 1n || value.points > MAX_POINTS);
}

/** Whether the operation only books what is due, as the ledger does by itself. */
export function isForDue({ case: kind, value }: SetOperation): boolean {
  return kind === "expire" && value.target.case === "due";
}

function rechargeOf(
  account: Replayed,
  points: bigint,
  lot: Pick<ReplayedLot, "priority" | "expireTime" | "category" | "services">,
): Draft {
  const number = account.sequence + 1n;
  return {
    ...draftOf("recharge", [{ lot: number, points }]),
    ...lot,
    change(after) {
      after.balance += points;
      after.totalRecharged += points;
      addLot(after, { ...lot, number, points, remaining: points, frozen: 0n });
    },
  };
}

function freezeOf(
  account: Replayed,
  parts: readonly Part[],
  expireTime: bigint,
  usage: PricedUsage | undefined,
): Draft {
  const number = account.sequence + 1n;
  const draft = draftOf("freeze", parts);
  const { points } = draft;
  return {
    ...draft,
    expireTime,
    usage,
    change(after) {
      after.balance -= points;
      after.frozen += points;
      for (const part of parts) moveLot(after, part.lot, -part.points, part.points);
      const service = usage?.service ?? "";
      addHold(after, { number, points, settled: 0n, status: "open", service, expireTime, parts });
    },
  };
}

function settleOf(hold: ReplayedHold, points: bigint, usage: PricedUsage | undefined): Draft {
  const spent = firstOf(hold.parts, points);
  const rest = withoutFirst(hold.parts, points);
  const draft = draftOf("settle", spent);
  const returned = totalOf(rest);
  return {
    ...draft,
    returned,
    refersTo: hold.number,
    usage,
    change(after) {
      const sequence = after.sequence + 1n;
      after.balance += returned;
      after.frozen -= hold.points;
      after.totalConsumed += points;
      for (const part of spent) moveLot(after, part.lot, 0n, -part.points);
      for (const part of rest) moveLot(after, part.lot, part.points, -part.points);
      closeHold(after, hold, "settled").settled = points;
      after.spends.set(sequence, { points, parts: spent, refunded: 0n });
    },
  };
}

type Of<Case extends SetOperation["case"]> = Extract<SetOperation, { case: Case }>["value"];

function decideExpire(account: Replayed, target: Of<"expire">["target"]) {
  switch (target.case) {
    case undefined:
      return INVALID;
    case "due":
      return undefined;
    case "points": {
      const parts = burn(account, target.value, () => true);
      return "refused" in parts ? parts : debitOf("expire", parts);
    }
    case "lot": {
      const lot = account.lots.get(target.value);
      if (lot === undefined) return refused("LOT_NOT_FOUND", { lot: target.value });
      if (lot.remaining === 0n) return undefined;
      return debitOf("expire", [{ lot: lot.number, points: lot.remaining }]);
    }
  }
}

function openHold(account: Replayed, number: bigint): ReplayedHold | Refused {
  const hold = account.holds.get(number);
  if (hold === undefined) return refused("HOLD_NOT_FOUND", { hold: number });
  if (hold.status === "expired") return refused("HOLD_EXPIRED", { hold: number });
  if (hold.status === "open") return hold;
  return refused("HOLD_CLOSED", { hold: number, state: hold.status });
}

/** Whether usage of a service may take of a lot; undefined: points without a usage. */
function isFor({ services }: ReplayedLot, service: string | undefined): boolean {
  return services.length === 0 || (service !== undefined && services.includes(service));
}

/** The points of each lot that a debit takes, in burn order. */
function burn(
  account: Replayed,
  points: bigint,
  may: (lot: ReplayedLot) => boolean,
): readonly Part[] | Refused {
  const { balance, spendable } = account;
  const usable = spendable.reduce((sum, lot) => (may(lot) ? sum + lot.remaining : sum), 0n);
  if (usable < points) {
    const shortfall = points - usable;
    return refused("INSUFFICIENT_POINTS", { balance, usable, required: points, shortfall });
  }
  const parts: Part[] = [];
  let missing = points;
  for (const { number: lot, remaining } of spendable.filter(may)) {
    if (missing === 0n) break;
    const some = remaining < missing ? remaining : missing;
    parts.push({ lot, points: some });
    missing -= some;
  }
  return parts;
}

function endOf(expiration: Of<"recharge">["expiration"], now: bigint): bigint | undefined {
  switch (expiration.case) {
    case undefined:
      return undefined;
    case "expireTime":
      return microsOf(expiration.value);
    case "ttl":
      return now + nanosOf(expiration.value) / 1000n;
  }
}
