import { type Operation, Shortfall } from "../../../gen/points/v1/points_pb.ts";
import type { PricedUsage } from "../../../gen/points/v1/prices_pb.ts";
import { burn, insufficient, isFor, least, pay, type Payment, untilAfter } from "./debt.ts";
import { expiryOf, releaseOf } from "./due.ts";
import { type Part, together, totalOf } from "./parts.ts";
import { costOf, type Prices } from "./pricing.ts";
import { entryChanged } from "./guard.ts";
import { deletePolicy, putPolicy } from "./policies.ts";
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
  addSpend,
  type Dated,
  type Draft,
  draftOf,
  moveLot,
  prolongHold,
  type NewLot,
  type Replayed,
  type ReplayedLot,
  takeParts,
} from "./replay.ts";
import { decideRevoke } from "./revoke.ts";
import { decideSettle, openHold } from "./settle.ts";
import { microsOf, nanosOf } from "./time.ts";

/** An operation whose oneof is set. */
export type SetOperation = Exclude<Operation["operation"], { case: undefined }>;

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
  if (isMalformed(operation)) return INVALID;
  switch (operation.case) {
    case "recharge": {
      const { points, priority, expiration, category, services } = operation.value;
      const expireTime = endOf(expiration, now);
      if (!endsWell(expireTime, now)) return INVALID;
      const refusal = tooLarge(account, "total_recharged", points) ?? lotsFull(account, 1);
      return refusal ?? rechargeOf(account, points, { priority, expireTime, category, services });
    }
    case "consume": {
      const cost = costOf(operation.value.cost, prices);
      if ("refused" in cost) return cost;
      const { onShortfall } = operation.value;
      const service = cost.usage?.service;
      const payment = pay(account, { points: cost.points, service, onShortfall });
      const { uncovered: shortfall } = payment;
      if (shortfall > 0n && onShortfall !== Shortfall.TAKE) {
        return insufficient(account, { required: cost.points, shortfall }, (lot) =>
          isFor(lot, service),
        );
      }
      return { ...consumeOf(payment), usage: cost.usage };
    }
    case "expire":
      return decideExpire(account, operation.value);
    case "revoke":
      return decideRevoke(account, operation.value);
    case "freeze": {
      const { expiration } = operation.value;
      const expireTime = endOf(expiration, now) ?? now + DAY;
      if (!endsWell(expireTime, now) || expireTime > now + 30n * DAY) return INVALID;
      const cost = costOf(operation.value.cost, prices);
      if ("refused" in cost) return cost;
      const parts = all(account, cost.points, (lot) => isFor(lot, cost.usage?.service));
      if ("refused" in parts) return parts;
      return holdsFull(account) ?? freezeOf(account, { parts, expireTime, usage: cost.usage, now });
    }
    case "extendHold":
      return decideExtension(account, operation.value, now, prices);
    case "settle":
      return decideSettle(account, operation.value, now, prices);
    case "release": {
      const hold = openHold(account, operation.value);
      return "refused" in hold ? hold : releaseOf(account, hold, "released", now);
    }
    case "refund":
      return decideRefund(account, operation.value, now);
    case "putPolicy":
      return putPolicy(account, operation.value.policy!);
    case "deletePolicy":
      return deletePolicy(account, operation.value.name);
  }
}

/** Whether validation refuses the operation before any lookup, even as a repeat. */
export function isMalformed({ case: kind, value }: SetOperation): boolean {
  if (kind === "recharge") return value.points < 1n || value.points > MAX_POINTS;
  if (kind !== "revoke" && kind !== "expire") return false;
  const { target, expectedHash } = value;
  const lotPoints = kind === "revoke" ? value.lotPoints : undefined;
  return target.case !== "lot" && (lotPoints !== undefined || expectedHash.length > 0);
}

/** Whether the operation only books what is due, as the ledger does by itself. */
export function isForDue({ case: kind, value }: SetOperation): boolean {
  return kind === "expire" && value.target.case === "due";
}

function rechargeOf(
  account: Replayed,
  points: bigint,
  lot: Omit<NewLot, "number" | "points" | "remaining">,
): Draft {
  const number = account.sequence + 1n;
  const repaid = lot.services.length > 0 ? 0n : least(account.debt, points);
  const remaining = points - repaid;
  return {
    ...draftOf("recharge", remaining === 0n ? [] : [{ lot: number, points: remaining }]),
    ...lot,
    points,
    repaid,
    change(after) {
      after.balance += remaining;
      after.debt -= repaid;
      if (repaid > 0n) after.repaidUntil = untilAfter(after.repaidUntil, lot);
      after.totalRecharged += points;
      addLot(after, { ...lot, number, points, remaining });
    },
  };
}

function freezeOf(
  account: Replayed,
  {
    parts,
    expireTime,
    usage,
    now: freezeTime,
  }: {
    parts: readonly Part[];
    expireTime: bigint;
    usage: PricedUsage | undefined;
    now: bigint;
  },
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
      const made = { number, points, settled: 0n, status: "open", service } as const;
      addHold(after, { ...made, expireTime, freezeTime, parts });
    },
  };
}

function decideExtension(
  account: Replayed,
  request: Of<"extendHold">,
  now: bigint,
  prices: Prices,
): Draft | Refused {
  const { more, expiration } = request;
  const hold = openHold(account, request);
  if ("refused" in hold) return hold;
  const end = endOf(expiration, now) ?? hold.expireTime;
  const isSooner = expiration.case === "expireTime" && end < hold.expireTime;
  const isTooLong = expiration.case !== undefined && end > hold.freezeTime + 30n * DAY;
  if (!endsWell(end, now) || isSooner || isTooLong) return INVALID;
  const cost = more.case === undefined ? { points: 0n, usage: undefined } : costOf(more, prices);
  if ("refused" in cost) return cost;
  const { points, usage } = cost;
  if (usage !== undefined && hold.service !== "" && usage.service !== hold.service) return INVALID;
  const service = hold.service === "" ? undefined : usage?.service;
  const parts = all(account, points, (lot) => isFor(lot, service));
  if ("refused" in parts) return parts;
  const expireTime = end > hold.expireTime ? end : hold.expireTime;
  return {
    ...draftOf("extend", parts),
    refersTo: hold.number,
    expireTime,
    usage,
    change(after) {
      after.balance -= points;
      after.frozen += points;
      for (const part of parts) moveLot(after, part.lot, -part.points, part.points);
      const extended = after.holds.get(hold.number)!;
      extended.points += points;
      extended.parts = together(extended.parts, parts);
      if (expireTime > extended.expireTime) prolongHold(after, extended, expireTime);
    },
  };
}

function consumeOf({ parts, owed, uncovered }: Payment): Draft {
  const points = totalOf(parts) + owed;
  return {
    ...draftOf("consume", parts),
    points,
    owed,
    uncovered,
    change(after) {
      takeParts(after, parts);
      after.totalConsumed += points;
      addSpend(after, { points, parts, owed });
    },
  };
}

type Of<Case extends SetOperation["case"]> = Extract<SetOperation, { case: Case }>["value"];

function decideExpire(account: Replayed, { target, expectedHash }: Of<"expire">) {
  switch (target.case) {
    case undefined:
      return INVALID;
    case "due":
      return undefined;
    case "points": {
      const parts = all(account, target.value, () => true);
      return "refused" in parts ? parts : expiryOf(parts);
    }
    case "lot": {
      const changed = entryChanged(account, target.value, expectedHash);
      if (changed !== undefined) return changed;
      const lot = account.lots.get(target.value);
      if (lot === undefined) return refused("LOT_NOT_FOUND", { lot: target.value });
      if (lot.remaining === 0n) return undefined;
      return expiryOf([{ lot: lot.number, points: lot.remaining }]);
    }
  }
}

/** The points of each lot that a command takes, all or none. */
function all(
  account: Replayed,
  points: bigint,
  may: (lot: ReplayedLot) => boolean,
): readonly Part[] | Refused {
  const parts = burn(account, points, may);
  const shortfall = points - totalOf(parts);
  return shortfall === 0n ? parts : insufficient(account, { required: points, shortfall }, may);
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
