import type { Operation } from "../../gen/points/v1/points_pb.ts";
import type { PricedUsage, Usage } from "../../gen/points/v1/prices_pb.ts";
import { priceOf, type Prices } from "./pricing.ts";
import {
  addHold,
  addLot,
  closeHold,
  type Dated,
  type Draft,
  draftOf,
  isPast,
  LAST_INSTANT,
  moveLot,
  type Part,
  releaseOf,
  type Replayed,
  type ReplayedHold,
  type ReplayedLot,
  takeAway,
  totalOf,
} from "./replay.ts";
import { microsOf, nanosOf } from "./time.ts";

/** An operation that is one. */
export type SetOperation = Exclude<Operation["operation"], { case: undefined }>;

/** Why an operation is refused, as ErrorInfo says it. */
export type Refused = {
  readonly refused: string;
  /** Undefined where the contract does not say what is in it. */
  readonly metadata: Readonly<Record<string, string>> | undefined;
};

const MAX_TOTAL = 9_007_199_254_740_991n;
const MAX_POINTS = 1_000_000_000_000n;
const DAY = 86_400_000_000n;
const OPEN_LOTS_MAX = 4_096;
const OPEN_HOLDS_MAX = 16_384;

/**
 * What an operation comes to on an account on which everything due is booked: an entry, a refusal,
 * or nothing to do beside what was due.
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
      const { points, priority, expiration } = operation.value;
      const expireTime = endOf(expiration, now);
      if (isMalformed(operation) || !endsWell(expireTime, now)) return INVALID;
      if (!hasRoom(account, points)) return tooLarge("total_recharged");
      if (!hasRoomForLots(account, 1)) return LOTS_FULL;
      return rechargeOf(account, points, priority, expireTime);
    }
    case "consume": {
      const cost = costOf(operation.value.cost, prices);
      if ("refused" in cost) return cost;
      const parts = burn(account, cost.points);
      return "refused" in parts ? parts : { ...takeAway("consume", parts), usage: cost.usage };
    }
    case "expire":
      return decideExpire(account, operation.value.target);
    case "freeze": {
      const { expiration } = operation.value;
      const expireTime = endOf(expiration, now) ?? now + DAY;
      if (!endsWell(expireTime, now)) return INVALID;
      const cost = costOf(operation.value.cost, prices);
      if ("refused" in cost) return cost;
      const parts = burn(account, cost.points);
      if ("refused" in parts) return parts;
      if (account.openHolds.size >= OPEN_HOLDS_MAX) return HOLDS_FULL;
      return freezeOf(account, parts, expireTime, cost.usage);
    }
    case "settle": {
      const hold = openHold(account, operation.value.hold);
      if ("refused" in hold) return hold;
      const { cost } = operation.value;
      const spent =
        cost.case === undefined ? { points: hold.points, usage: undefined } : costOf(cost, prices);
      if ("refused" in spent) return spent;
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

/** Whether it is refused before anything is looked up, also as a repeat. */
export function isMalformed({ case: kind, value }: SetOperation): boolean {
  return kind === "recharge" && (value.points < 1n || value.points > MAX_POINTS);
}

/** Whether it asks for nothing but what the ledger does by itself. */
export function isForDue({ case: kind, value }: SetOperation): boolean {
  return kind === "expire" && value.target.case === "due";
}

function rechargeOf(
  account: Replayed,
  points: bigint,
  priority: number,
  expireTime: bigint | undefined,
): Draft {
  const number = account.sequence + 1n;
  return {
    ...draftOf("recharge", [{ lot: number, points }]),
    expireTime,
    priority,
    change(after) {
      after.balance += points;
      after.totalRecharged += points;
      addLot(after, { number, points, remaining: points, frozen: 0n, priority, expireTime });
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
      addHold(after, { number, points, settled: 0n, status: "open", expireTime, parts });
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
      const parts = burn(account, target.value);
      return "refused" in parts ? parts : takeAway("expire", parts);
    }
    case "lot": {
      const lot = account.lots.get(target.value);
      if (lot === undefined) return refused("LOT_NOT_FOUND", { lot: target.value });
      if (lot.remaining === 0n) return undefined;
      return takeAway("expire", [{ lot: lot.number, points: lot.remaining }]);
    }
  }
}

function decideRefund(account: Replayed, request: Of<"refund">, now: bigint): Draft | Refused {
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
  if (!hasRoom(account, points)) return tooLarge("total_refunded");

  const lastFirst = spend.parts.toReversed();
  const back = firstOf(withoutFirst(lastFirst, spend.refunded), points);
  const isGone = ({ lot }: Part) => expireTime !== undefined && isPast(account.lots.get(lot)!, now);
  const gone = back.filter(isGone);
  const alive = back.filter((part) => !isGone(part));
  const made = gone.length === 0 ? undefined : reissue(account, gone, expireTime);
  const opened = alive
    .map(({ lot }) => account.lots.get(lot)!)
    .filter((lot) => !account.openLots.has(lot) && !isPast(lot, now));
  const more = opened.length + (made === undefined ? 0 : 1);
  if (!hasRoomForLots(account, more)) return LOTS_FULL;
  const parts = made === undefined ? alive : [...alive, { lot: made.number, points: made.points }];
  return {
    ...draftOf("refund", parts),
    refersTo: sequence,
    expireTime: made?.expireTime,
    priority: made?.priority ?? 0,
    change(after) {
      after.balance += points;
      after.totalRefunded += points;
      for (const part of alive) moveLot(after, part.lot, part.points, 0n);
      if (made !== undefined) addLot(after, { ...made });
      after.spends.get(sequence)!.refunded += points;
    },
  };
}

function reissue(
  account: Replayed,
  gone: readonly Part[],
  expireTime: bigint | undefined,
): ReplayedLot {
  const points = totalOf(gone);
  const priority = Math.min(...gone.map(({ lot }) => account.lots.get(lot)!.priority));
  const number = account.sequence + 1n;
  return { number, points, remaining: points, frozen: 0n, priority, expireTime };
}

function openHold(account: Replayed, number: bigint): ReplayedHold | Refused {
  const hold = account.holds.get(number);
  if (hold === undefined) return refused("HOLD_NOT_FOUND", { hold: number });
  if (hold.status === "expired") return refused("HOLD_EXPIRED", { hold: number });
  if (hold.status === "open") return hold;
  return refused("HOLD_CLOSED", { hold: number, status: hold.status });
}

type Cost = { readonly points: bigint; readonly usage: PricedUsage | undefined };

function costOf(
  cost: Of<"consume">["cost"] | Of<"settle">["cost"],
  prices: Prices,
): Cost | Refused {
  switch (cost.case) {
    case undefined:
      return INVALID;
    case "points":
      if (cost.value < 1n || cost.value > MAX_POINTS) return INVALID;
      return { points: cost.value, usage: undefined };
    case "usage":
      return usageCost(cost.value, prices);
  }
}

function usageCost(usage: Usage, prices: Prices): Cost | Refused {
  const priced = priceOf(prices, usage);
  if (priced === "unknown") return refused("SERVICE_NOT_PRICED", { service: usage.service });
  return priced === "incomplete" || priced.points > MAX_POINTS ? INVALID : priced;
}

/** From which lots so many points are taken. */
function burn(account: Replayed, points: bigint): readonly Part[] | Refused {
  const { balance } = account;
  if (balance < points) {
    const shortfall = points - balance;
    return refused("INSUFFICIENT_POINTS", { balance, required: points, shortfall });
  }
  const parts: Part[] = [];
  let missing = points;
  for (const { number: lot, remaining } of account.spendable) {
    if (missing === 0n) break;
    const some = remaining < missing ? remaining : missing;
    parts.push({ lot, points: some });
    missing -= some;
  }
  return parts;
}

function firstOf(parts: readonly Part[], points: bigint): Part[] {
  return cut(parts, 0n, points);
}

function withoutFirst(parts: readonly Part[], points: bigint): Part[] {
  return cut(parts, points, totalOf(parts));
}

/** Of points in a row, those from one place up to another. */
function cut(parts: readonly Part[], from: bigint, upTo: bigint): Part[] {
  let at = 0n;
  return parts.flatMap(({ lot, points }) => {
    const [start, end] = [at > from ? at : from, at + points < upTo ? at + points : upTo];
    at += points;
    return end > start ? [{ lot, points: end - start }] : [];
  });
}

function hasRoom({ totalRecharged, totalRefunded }: Replayed, points: bigint): boolean {
  return totalRecharged + totalRefunded + points <= MAX_TOTAL;
}

function hasRoomForLots({ openLots }: Replayed, more: number): boolean {
  return openLots.size + more <= OPEN_LOTS_MAX;
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

function endsWell(expireTime: bigint | undefined, now: bigint): boolean {
  return expireTime === undefined || (expireTime > now && expireTime <= LAST_INSTANT);
}

function refused(reason: string, facts: Readonly<Record<string, bigint | string>>): Refused {
  const metadata = Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [name, String(value)]),
  );
  return { refused: reason, metadata };
}

const INVALID: Refused = { refused: "FIELD_INVALID", metadata: undefined };
const LOTS_FULL = refused("ACCOUNT_FULL", { full: "lots", limit: BigInt(OPEN_LOTS_MAX) });
const HOLDS_FULL = refused("ACCOUNT_FULL", { full: "holds", limit: BigInt(OPEN_HOLDS_MAX) });

function tooLarge(total: string): Refused {
  return refused("TOTAL_TOO_LARGE", { total, limit: MAX_TOTAL });
}
