import { create } from "@bufbuild/protobuf";
import {
  type Account as AccountMessage,
  AccountSchema,
  type Entry as EntryMessage,
  EntryKind,
  EntrySchema,
  type Hold as HoldMessage,
  HoldSchema,
  HoldState,
  type Lot as LotMessage,
  LotSchema,
} from "../../gen/points/v1/account_pb.ts";
import {
  type PriceCalculation,
  PriceCalculationSchema,
  type PricedUsage as PricedUsageMessage,
  PricedUsageSchema,
} from "../../gen/points/v1/prices_pb.ts";
import type { Account } from "../ledger/account.ts";
import { compareBytes } from "../encoding/byte-order.ts";
import type { Answered } from "../commit/commit.ts";
import { keptDigestOf } from "../ledger/digests.ts";
import type { Entry } from "../ledger/entry.ts";
import type { Hold } from "../ledger/hold.ts";
import { isScoped } from "../ledger/lot.ts";
import type { LotNow } from "../store/reads/pages.ts";
import { type Calculation, type PricedUsage, serviceOf } from "../ledger/prices.ts";
import { KIND_NUMBERS } from "../ledger/entry-kinds.ts";
import { toPolicyMessage } from "./policy-messages.ts";
import { toDuration, toTimestamp } from "./timestamps.ts";

// Translation from the ledger to protobuf.

/** The answer of every mutation. */
export function toMutationAnswer({ entry, account, replayed, epoch }: Answered) {
  return {
    ...(entry === undefined ? {} : { entry: toEntryMessage(entry, account.salt) }),
    account: toAccountMessage(account),
    replayed,
    epoch,
  };
}

/** The answer of Freeze. The entry holds all of the new hold, also for a repeat years later. */
export function toFreezeAnswer(answer: Answered) {
  const { entry } = answer;
  if (entry === undefined || entry.expireTime === null) throw new Error("a freeze without a hold");
  const { sequence: number, points, expireTime, allocations, member } = entry;
  const service = serviceOf(entry);
  const made = { number, points, service, member, expireTime, allocations };
  const hold = { ...made, settled: 0n, status: "open" } as const;
  return { ...toMutationAnswer(answer), hold: toHoldMessage(hold) };
}

/** The answer of ExtendHold: the entry keeps what the hold was after it, for repeats. */
export function toExtendHoldAnswer(answer: Answered) {
  const { entry } = answer;
  const { holdAfter, refersTo: number, expireTime } = entry ?? {};
  if (!entry || !holdAfter || !number || !expireTime)
    throw new Error("an extension without its hold");
  const { member } = entry;
  const hold = { ...holdAfter, number, member, expireTime, status: "open" } as const;
  return { ...toMutationAnswer(answer), hold: toHoldMessage(hold) };
}

/** The account in protobuf. */
export function toAccountMessage(account: Account): AccountMessage {
  const { userId, sequence, balance, frozen, salt } = account;
  const { totalRecharged, totalConsumed, totalExpired, totalRefunded, totalRevoked, debt } =
    account;
  return create(AccountSchema, {
    userId,
    sequence,
    balance,
    frozen,
    totalRecharged,
    totalConsumed,
    totalExpired,
    totalRefunded,
    totalRevoked,
    debt,
    createTime: toTimestamp(account.createTime),
    updateTime: toTimestamp(account.updateTime),
    salt,
  });
}

/**
 * The entry in protobuf.
 *
 * @param salt the account's
 */
export function toEntryMessage(entry: Entry, salt: Uint8Array): EntryMessage {
  const { userId, sequence, points, allocations, priority, expireTime, hash, usage } = entry;
  return create(EntrySchema, {
    userId,
    sequence,
    kind: ENTRY_KINDS[entry.kind],
    points,
    allocations: [...allocations],
    createTime: toTimestamp(entry.time),
    requestId: entry.request?.id ?? "",
    metadata: sorted(entry.metadata),
    balanceAfter: entry.after.balance,
    frozenAfter: entry.after.frozen,
    ...(expireTime === null ? {} : { expireTime: toTimestamp(expireTime) }),
    priority,
    hash,
    refersTo: entry.refersTo ?? 0n,
    returned: entry.returned,
    owed: entry.owed,
    uncovered: entry.uncovered,
    repaid: entry.repaid,
    fromBalance: entry.fromBalance,
    debtAfter: entry.after.debt,
    keptOpen: entry.keptOpen,
    fromClaim: entry.fromClaim,
    caller: entry.caller,
    actor: entry.actor,
    personalDigest: keptDigestOf(salt, entry),
    ...(entry.request === undefined ? {} : { fingerprint: entry.request.fingerprint }),
    ...(usage === null ? {} : { usage: toUsageMessage(usage) }),
    category: entry.category,
    ...(isScoped(entry) && { services: [...entry.services] }),
    member: entry.member,
    cause: entry.cause,
    ...(entry.alerts.length > 0 && { alerts: [...entry.alerts] }),
    ...(entry.policy !== null && { policy: toPolicyMessage(entry.policy) }),
    ...(entry.erasedHash !== null && { erasedHash: entry.erasedHash }),
  });
}

/** The lot in protobuf. */
export function toLotMessage({ revoked, claimed, ...lot }: LotNow): LotMessage {
  const { number, points, remaining, frozen, priority, expireTime, category, services } = lot;
  return create(LotSchema, {
    number,
    points,
    remaining,
    frozen,
    priority,
    ...(expireTime === null ? {} : { expireTime: toTimestamp(expireTime) }),
    category,
    services: [...services],
    revoked,
    claimed,
  });
}

/** The hold in protobuf. */
export function toHoldMessage(hold: Hold): HoldMessage {
  const { number, points, settled, status, service, member, expireTime, allocations } = hold;
  return create(HoldSchema, {
    number,
    points,
    settled,
    state: HOLD_STATES[status],
    service: service ?? "",
    member,
    expireTime: toTimestamp(expireTime),
    allocations: [...allocations],
  });
}

function toUsageMessage(usage: PricedUsage): PricedUsageMessage {
  const { service, quantity, durationNanos, priceVersion, meters, attributes, calculation } = usage;
  return create(PricedUsageSchema, {
    service,
    amount:
      quantity !== null
        ? { case: "quantity", value: quantity }
        : durationNanos !== null
          ? { case: "duration", value: toDuration(durationNanos) }
          : { case: undefined },
    priceVersion,
    meters: sorted(meters),
    attributes: sorted(attributes),
    ...(calculation === null ? {} : { calculation: toCalculationMessage(calculation) }),
  });
}

/** How points came about, in protobuf. */
export function toCalculationMessage(calculation: Calculation): PriceCalculation {
  const { when, fixed, meters, factor, minimum, maximum } = calculation;
  return create(PriceCalculationSchema, {
    when: sorted(when),
    fixed,
    meters: meters.map(({ unitNanos, of, amount, points, per }) => {
      const unit = unitNanos === null ? {} : { unit: toDuration(unitNanos) };
      return { of, amount, points, per, ...unit };
    }),
    factor: factor === null ? "" : `${factor.numerator}/${factor.denominator}`,
    minimum,
    maximum,
  });
}

/** Sorts by key: the database keeps no order, and a repeat equals the first answer to the byte. */
function sorted<T>(map: ReadonlyMap<string, T>): Record<string, T> {
  return Object.fromEntries([...map].toSorted(([a], [b]) => compareBytes(a, b)));
}

/** The kinds of entries in protobuf: the store keeps the same numbers. */
export const ENTRY_KINDS: Record<Entry["kind"], EntryKind> = KIND_NUMBERS;

const HOLD_STATES: Record<Hold["status"], HoldState> = {
  open: HoldState.OPEN,
  settled: HoldState.SETTLED,
  released: HoldState.RELEASED,
  expired: HoldState.EXPIRED,
};
