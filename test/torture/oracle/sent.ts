import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { OperationSchema, Shortfall } from "../../../gen/points/v1/points_pb.ts";
import type { AskedCost, Command, Expiration, Mutation } from "../../../src/ledger/command.ts";
import type { Rule } from "../../../src/ledger/policy.ts";
import type { Cost } from "../../../src/ledger/prices.ts";
import { toPolicyMessage } from "../../../src/rpc/policy-messages.ts";
import { used } from "../../support/commands.ts";
import { costNow } from "../../support/model.ts";
import type { SetOperation } from "./decide.ts";
import { timestampOf } from "./time.ts";

// What a client sends for a random command of the model's tests.

/** The content of an operation. */
export type Init = NonNullable<MessageInitShape<typeof OperationSchema>["operation"]>;

/** Costs nothing. */
export const FREE = "nothing at all";

/** Each costs a point a piece. */
export const SERVICES = ["tts", "script", "image"];

/** The command with costs that the contract can say: only a free service costs 0 points. */
export function asSent(command: Command, now: bigint): Command {
  const { kind } = command;
  const sent = (asked: AskedCost | undefined) => {
    const cost = asked && costNow(asked, now);
    return cost === undefined || "reason" in cost ? cost : costSent(cost);
  };
  if (kind === "extendHold") return { ...command, more: sent(command.more) };
  if (kind !== "consume" && kind !== "settle" && kind !== "freeze") return command;
  const said = { ...command, cost: sent(command.cost) } as Command;
  // The load says no members.
  return "member" in said ? { ...said, member: "" } : said;
}

/** The operation that asks for a command. */
export function operationOf(command: Mutation, now: bigint): SetOperation {
  return made(initOf(command, now));
}

/** The message of an operation. */
export function made(operation: Init): SetOperation {
  return create(OperationSchema, { operation }).operation as SetOperation;
}

function costSent({ points, usage }: Cost): Cost {
  if (points === 0n) return { points, usage: used({ service: FREE }) };
  if (usage === null) return { points, usage };
  return {
    points,
    usage: used({ service: SERVICES.find((one) => one === usage.service) ?? "tts" }),
  };
}

function initOf(command: Mutation, now: bigint): Init {
  const { kind } = command;
  switch (kind) {
    case "recharge": {
      const { points, priority, category, expiration } = command;
      const lot = { points, priority, category, services: [...command.services] };
      return { case: kind, value: { ...lot, expiration: expirationOf(expiration) } };
    }
    case "consume":
      return {
        case: kind,
        value: { cost: costOf(command.cost, now), ...shortfallOf(command.onShortfall) },
      };
    case "freeze": {
      const { cost, expiration } = command;
      const end = expirationOf(expiration);
      return { case: kind, value: { cost: costOf(cost, now), expiration: end } };
    }
    case "extendHold": {
      const { hold, more, expiration } = command;
      const asked = more === undefined ? {} : { more: costOf(more, now) };
      const end = expiration === undefined ? {} : { expiration: expirationOf(expiration) };
      return { case: kind, value: { hold, ...asked, ...end, ...guardOf(command) } };
    }
    case "settle": {
      const { hold, cost, keepOpen, onShortfall } = command;
      const asked = cost === undefined ? {} : { cost: costOf(cost, now) };
      const said = { ...shortfallOf(onShortfall), ...guardOf(command) };
      return { case: kind, value: { hold, ...asked, keepOpen, ...said } };
    }
    case "release":
      return { case: kind, value: { hold: command.hold, ...guardOf(command) } };
    case "refund": {
      const { sequence, points, reissueTtl } = command;
      const life = reissueTtl === undefined ? {} : { reissueTtl: durationOf(reissueTtl) };
      const some = points === undefined ? {} : { points };
      return { case: kind, value: { sequence, ...some, ...life, ...guardOf(command) } };
    }
    case "expire": {
      const { target } = command;
      if (target.kind === "due" || target.kind === "sweep")
        return { case: kind, value: { target: { case: "due", value: true } } };
      return { case: kind, value: targetOf(target) };
    }
    case "revoke": {
      const { target, onShortfall } = command;
      const some = target.kind === "points" ? {} : { lotPoints: target.points };
      const said = { ...shortfallOf(onShortfall), ...targetOf(target) };
      return { case: kind, value: some.lotPoints === undefined ? said : { ...some, ...said } };
    }
    case "putPolicy": {
      const { name, rule } = command;
      return { case: kind, value: { policy: toPolicyMessage({ name, rule: rule as Rule }) } };
    }
    case "deletePolicy":
      return { case: kind, value: { name: command.name } };
  }
}

type Target =
  | { readonly kind: "points"; readonly points: bigint }
  | ({ readonly kind: "lot"; readonly lot: bigint } & Guard);

function targetOf(target: Target) {
  if (target.kind === "points") {
    return { target: { case: "points", value: target.points } } as const;
  }
  return { target: { case: "lot", value: target.lot }, ...guardOf(target) } as const;
}

type Guard = { readonly expectedHash?: Uint8Array | undefined };

function guardOf({ expectedHash }: Guard) {
  return expectedHash === undefined ? {} : { expectedHash: Uint8Array.from(expectedHash) };
}

function shortfallOf(kind: "refuse" | "take" | "owe") {
  const of = { refuse: Shortfall.UNSPECIFIED, take: Shortfall.TAKE, owe: Shortfall.OWE };
  return { onShortfall: of[kind] };
}

function costOf(asked: AskedCost, now: bigint) {
  const cost = costNow(asked, now);
  if ("reason" in cost) return { case: "usage" as const, value: { service: "unheard of" } };
  if (cost.points === 0n) return { case: "usage" as const, value: { service: FREE } };
  if (cost.usage === null) return { case: "points" as const, value: cost.points };
  const amount = { case: "quantity" as const, value: cost.points };
  return { case: "usage" as const, value: { service: cost.usage.service, amount } };
}

function expirationOf(expiration: Expiration) {
  switch (expiration.kind) {
    case "never":
      return { case: undefined };
    case "at":
      return { case: "expireTime" as const, value: timestampOf(expiration.time) };
    case "after":
      return { case: "ttl" as const, value: durationOf(expiration.ttl) };
  }
}

function durationOf(micros: bigint) {
  return { seconds: micros / 1_000_000n, nanos: Number(micros % 1_000_000n) * 1000 };
}
