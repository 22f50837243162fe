import { createHash } from "node:crypto";
import type {
  AskedRule,
  Command,
  Deadline,
  Expiration,
  ExpireTarget,
  Mutation,
  RevokeTarget,
  Shortfall,
} from "../../src/ledger/command.ts";
import type { CostOrRefusal, PricedUsage } from "../../src/ledger/prices.ts";

// Builders of ada's commands without a request id, short enough for tables of test cases.

const nobody = {
  userId: "ada",
  request: undefined,
  metadata: new Map<string, string>(),
  caller: "",
  actor: "",
};

/** Points, or the cost of a service's usage, or the reason why it has none. */
export type Cost = bigint | CostOrRefusal;

/** A usage that was priced without meters, attributes and calculation. */
export function used(usage: Partial<PricedUsage>): PricedUsage {
  return {
    service: "caption",
    quantity: null,
    durationNanos: null,
    meters: new Map(),
    attributes: new Map(),
    priceVersion: "v1",
    calculation: null,
    ...usage,
  };
}

export const FREE: CostOrRefusal = {
  points: 0n,
  usage: used({}),
};
export const NOT_PRICED: CostOrRefusal = { reason: "SERVICE_NOT_PRICED", service: "nothing" };
export const DUE: ExpireTarget = { kind: "due" };

export function open(): Command {
  return { kind: "open", userId: "ada" };
}

export function recharge(
  points: bigint,
  expiration: Expiration = { kind: "never" },
  priority = 0,
): Mutation {
  const words = { category: "", services: [] };
  return { kind: "recharge", ...nobody, points, expiration, priority, ...words };
}

/** A recharge of points for these services alone. */
export function rechargeFor(
  services: readonly string[],
  points: bigint,
  expiration: Expiration = { kind: "never" },
  { priority = 0, category = "" } = {},
): Mutation {
  return { kind: "recharge", ...nobody, points, expiration, priority, category, services };
}

/** What a use of a service costs. */
export function usageOf(service: string, points: bigint): CostOrRefusal {
  return { points, usage: used({ service }) };
}

export const TAKE: Shortfall = "take";
export const OWE: Shortfall = "owe";

export function consume(cost: Cost, onShortfall: Shortfall = "refuse"): Mutation {
  return { kind: "consume", ...nobody, cost: toCost(cost), onShortfall, member: "" };
}

export function expire(target: ExpireTarget): Mutation {
  return { kind: "expire", ...nobody, target };
}

export function expireLot(lot: bigint): Mutation {
  return expire({ kind: "lot", lot });
}

/** Points of a lot; left out: all that are not yet revoked. */
export function revokeLot(
  lot: bigint,
  points?: bigint,
  onShortfall: Shortfall = "refuse",
): Mutation {
  return revoke({ kind: "lot", lot, points }, onShortfall);
}

/** A number of points, or a target. */
export function revoke(what: bigint | RevokeTarget, onShortfall: Shortfall = "refuse"): Mutation {
  const target = typeof what === "bigint" ? ({ kind: "points", points: what } as const) : what;
  return { kind: "revoke", ...nobody, target, onShortfall };
}

/** A hold with a ttl in microseconds. */
export function freeze(cost: Cost, ttl = 50n): Mutation {
  const expiration = { kind: "after", ttl } as const;
  return { kind: "freeze", ...nobody, cost: toCost(cost), expiration, member: "" };
}

/** The same on behalf of a member. */
export function by(member: string, command: Mutation): Mutation {
  return { ...command, member } as Mutation;
}

/** A hold until an instant. */
export function freezeUntil(cost: Cost, time: bigint): Mutation {
  const expiration = { kind: "at", time } as const;
  return { kind: "freeze", ...nobody, cost: toCost(cost), expiration, member: "" };
}

/** More points, more time in microseconds from now or until an instant, or both. */
export function extendHold(
  hold: bigint,
  { more, ttl, time }: { more?: Cost; ttl?: bigint; time?: bigint },
): Mutation {
  const expiration: Deadline | undefined =
    time !== undefined
      ? { kind: "at", time }
      : ttl !== undefined
        ? { kind: "after", ttl }
        : undefined;
  const given = more === undefined ? more : toCost(more);
  return { kind: "extendHold", ...nobody, hold, more: given, expiration };
}

export function settle(hold: bigint, cost?: Cost, onShortfall: Shortfall = "refuse"): Mutation {
  const given = cost === undefined ? cost : toCost(cost);
  return { kind: "settle", ...nobody, hold, cost: given, onShortfall, keepOpen: false };
}

/** Spends a part of a hold, which stays open. */
export function settlePart(hold: bigint, cost?: Cost, onShortfall: Shortfall = "refuse"): Mutation {
  return { ...settle(hold, cost, onShortfall), keepOpen: true } as Mutation;
}

export function release(hold: bigint): Mutation {
  return { kind: "release", ...nobody, hold };
}

export function refund(sequence: bigint, points?: bigint, reissueTtl?: bigint): Mutation {
  return { kind: "refund", ...nobody, sequence, points, reissueTtl };
}

export function putPolicy(name: string, rule: AskedRule): Mutation {
  return { kind: "putPolicy", ...nobody, name, rule };
}

export function deletePolicy(name: string): Mutation {
  return { kind: "deletePolicy", ...nobody, name };
}

/** The command about an entry, with the hash of the one that it means. */
export function guarded(command: Mutation, expectedHash: Uint8Array | undefined): Mutation {
  switch (command.kind) {
    case "extendHold":
    case "settle":
    case "release":
    case "refund":
      return { ...command, expectedHash };
    case "expire": {
      const { target } = command;
      return target.kind === "lot" ? { ...command, target: { ...target, expectedHash } } : command;
    }
    case "revoke": {
      const { target } = command;
      return target.kind === "lot" ? { ...command, target: { ...target, expectedHash } } : command;
    }
    default:
      return command;
  }
}

/** The command under a request id; `content` determines the hash of the request. */
export function named(command: Mutation, id: string, content = command.kind as string): Mutation {
  const hash = createHash("sha256").update(content).digest();
  return { ...command, request: { id, hash } };
}

function toCost(cost: Cost): CostOrRefusal {
  return typeof cost === "bigint" ? { points: cost, usage: null } : cost;
}
