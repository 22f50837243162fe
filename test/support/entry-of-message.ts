import type { Entry as EntryMessage } from "../../gen/points/v1/account_pb.ts";
import type { Policy } from "../../gen/points/v1/policy_pb.ts";
import type { PriceCalculation, PricedUsage } from "../../gen/points/v1/prices_pb.ts";
import type { Entry, EntryKind } from "../../src/ledger/entry.ts";
import type { Rule } from "../../src/ledger/policy.ts";
import { ENTRY_KINDS } from "../../src/rpc/answers.ts";
import { toPolicy } from "../../src/rpc/policy-messages.ts";
import { fromTimestamp, nanosOf } from "../../src/rpc/timestamps.ts";

/** The ledger's entry of a message, but for totals, which no entry shows: they are 0. */
export function entryOf(message: EntryMessage): Entry {
  const { userId, sequence, points, allocations, returned, refersTo, priority, caller } = message;
  const kinds = Object.entries(ENTRY_KINDS) as [EntryKind, number][];
  const [kind] = kinds.find(([, number]) => number === message.kind)!;
  const { requestId: id, fingerprint, metadata, balanceAfter, frozenAfter, hash } = message;
  const { createTime, expireTime, usage, category, services } = message;
  return {
    userId,
    sequence,
    kind,
    points,
    allocations: allocations.map((each) => ({ lot: each.lot, points: each.points })),
    returned,
    owed: message.owed,
    uncovered: message.uncovered,
    repaid: message.repaid,
    fromBalance: message.fromBalance,
    keptOpen: message.keptOpen,
    holdAfter: null,
    fromClaim: message.fromClaim,
    refersTo: refersTo === 0n ? null : refersTo,
    time: fromTimestamp(createTime!)!,
    expireTime: expireTime === undefined ? null : fromTimestamp(expireTime)!,
    priority,
    category,
    services,
    usage: usage === undefined ? null : usageOf(usage),
    policy: message.policy === undefined ? null : policyOf(message.policy),
    cause: message.cause,
    member: message.member,
    erasedHash: message.erasedHash.length === 0 ? null : message.erasedHash,
    alerts: message.alerts,
    request: fingerprint.length === 0 ? undefined : { id, fingerprint },
    metadata: new Map(Object.entries(metadata)),
    caller,
    actor: message.actor,
    after: { ...NO_TOTALS, balance: balanceAfter, frozen: frozenAfter, debt: message.debtAfter },
    hash,
  };
}

function policyOf(policy: Policy) {
  const { name, rule } = policy;
  // The rule of an entry says all that a request may leave out.
  return { name, rule: rule.case === undefined ? null : (toPolicy(policy).rule as Rule) };
}

const NO_TOTALS = {
  totalRecharged: 0n,
  totalConsumed: 0n,
  totalExpired: 0n,
  totalRefunded: 0n,
  totalRevoked: 0n,
};

function usageOf(usage: PricedUsage) {
  const { service, amount, priceVersion, meters, attributes, calculation } = usage;
  return {
    service,
    quantity: amount.case === "quantity" ? amount.value : null,
    durationNanos: amount.case === "duration" ? nanosOf(amount.value)! : null,
    priceVersion,
    meters: new Map(Object.entries(meters)),
    attributes: new Map(Object.entries(attributes)),
    calculation: calculation === undefined ? null : calculationOf(calculation),
  };
}

function calculationOf({ when, fixed, meters, factor, minimum, maximum }: PriceCalculation) {
  const [numerator, denominator] = factor.split("/");
  return {
    when: new Map(Object.entries(when)),
    fixed,
    meters: meters.map(({ of, amount, points, per, unit }) => {
      return { of, amount, points, per, unitNanos: unit === undefined ? null : nanosOf(unit)! };
    }),
    factor:
      factor === "" ? null : { numerator: BigInt(numerator!), denominator: BigInt(denominator!) },
    minimum,
    maximum,
  };
}
