import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import {
  type ConsumeRequest,
  ConsumeRequestSchema,
  type ExpireRequest,
  ExpireRequestSchema,
  type ExtendHoldRequest,
  ExtendHoldRequestSchema,
  type FreezeRequest,
  FreezeRequestSchema,
  type Operation,
  type RechargeRequest,
  RechargeRequestSchema,
  RefundRequestSchema,
  ReleaseRequestSchema,
  type RevokeRequest,
  RevokeRequestSchema,
  type SettleRequest,
  SettleRequestSchema,
  Shortfall as ShortfallMessage,
} from "../../gen/points/v1/points_pb.ts";
import {
  DeletePolicyRequestSchema,
  PutPolicyRequestSchema,
} from "../../gen/points/v1/policies_pb.ts";
import type { Usage as UsageMessage } from "../../gen/points/v1/prices_pb.ts";
import type { Caller } from "../auth/caller.ts";
import { invalidField } from "../errors/api-error.ts";
import {
  type AskedCost,
  type ExpireTarget,
  type Expiration,
  type Guarded,
  type Metadata,
  type Mutation,
  type RevokeTarget,
  type Shortfall,
} from "../ledger/command.ts";
import { HOLD_TTL } from "../ledger/hold.ts";
import { type PriceLists, priceUsage, type Usage } from "../ledger/prices.ts";
import { toServices, toTtl } from "./fields.ts";
import { hashRequest } from "./request-hash.ts";
import { toPolicy } from "./policy-messages.ts";
import { fromTimestamp, nanosOf } from "./timestamps.ts";

/** An operation whose oneof is set: a request of one of the RPCs that change an account. */
export type SetOperation = Exclude<Operation["operation"], { case: undefined }>;

/** What the server adds to an operation. */
export type Terms = {
  /** The price lists of now. */
  readonly prices: () => { readonly lists: PriceLists };
};

/**
 * Translates an operation from protobuf to the ledger. The contract's limits on fields were checked
 * before. This checks that oneofs are set and that times and durations are valid. Usage is priced
 * by the lists of now.
 *
 * @param caller who sent the operation
 * @throws FIELD_INVALID
 */
export function toCommand(operation: SetOperation, terms: Terms, caller: Caller): Mutation {
  const { lists: prices } = terms.prices();
  const { case: kind, value } = operation;
  switch (kind) {
    case "recharge": {
      const { points, priority, category } = value;
      const expiration = toExpiration(value.expiration) ?? { kind: "never" };
      const services = toServices(value.services, "services");
      const lot = { points, priority, expiration, category, services };
      return { kind, ...common(RechargeRequestSchema, value, caller), ...lot };
    }
    case "consume": {
      const cost = toCost(value.cost, prices) ?? missing("cost");
      const onShortfall = toShortfall(value.onShortfall);
      const { member } = value;
      return { kind, ...common(ConsumeRequestSchema, value, caller), cost, onShortfall, member };
    }
    case "expire":
      return {
        kind,
        ...common(ExpireRequestSchema, value, caller),
        target: toTarget(value),
      };
    case "revoke": {
      const target = toRevokeTarget(value);
      const onShortfall = toShortfall(value.onShortfall);
      return { kind, ...common(RevokeRequestSchema, value, caller), target, onShortfall };
    }
    case "freeze": {
      const cost = toCost(value.cost, prices) ?? missing("cost");
      const expiration = toExpiration(value.expiration) ?? { kind: "after", ttl: HOLD_TTL };
      const { member } = value;
      return { kind, ...common(FreezeRequestSchema, value, caller), cost, expiration, member };
    }
    case "extendHold": {
      const { hold } = value;
      const more = toCost(value.more, prices);
      const expiration = toExpiration(value.expiration);
      if (more === undefined && expiration === undefined) {
        throw invalidField("more", "or expiration is required");
      }
      const extended = { ...guard(value), hold, more, expiration };
      return { kind, ...common(ExtendHoldRequestSchema, value, caller), ...extended };
    }
    case "settle": {
      const { hold, keepOpen } = value;
      const cost = toCost(value.cost, prices);
      const onShortfall = toShortfall(value.onShortfall);
      const settled = { ...guard(value), hold, cost, onShortfall, keepOpen };
      return { kind, ...common(SettleRequestSchema, value, caller), ...settled };
    }
    case "release": {
      const { hold } = value;
      return { kind, ...common(ReleaseRequestSchema, value, caller), ...guard(value), hold };
    }
    case "refund": {
      const { sequence, points, reissueTtl: ttl } = value;
      const reissueTtl = ttl === undefined ? undefined : toTtl(ttl, "reissue_ttl");
      const refunded = { ...guard(value), sequence, points, reissueTtl };
      return { kind, ...common(RefundRequestSchema, value, caller), ...refunded };
    }
    case "putPolicy":
      return { kind, ...common(PutPolicyRequestSchema, value, caller), ...toPolicy(value.policy!) };
    case "deletePolicy":
      return { kind, ...common(DeletePolicyRequestSchema, value, caller), name: value.name };
  }
}

/** Translates the usage of a service. */
export function toUsage({ service, amount, meters, attributes }: UsageMessage): Usage {
  const quantity = amount.case === "quantity" ? amount.value : null;
  const durationNanos = amount.case === "duration" ? nanosOf(amount.value) : null;
  if (durationNanos === undefined) throw invalidField("usage.duration", "must be a valid duration");
  return {
    service,
    quantity,
    durationNanos,
    meters: new Map(Object.entries(meters)),
    attributes: new Map(Object.entries(attributes)),
  };
}

const NO_METADATA: Metadata = new Map();

function common<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc> & {
    userId: string;
    requestId: string;
    metadata: Record<string, string>;
    actor: string;
    validateOnly: boolean;
  },
  { name: caller, maxPoints }: Caller,
) {
  const { userId, requestId: id, actor, validateOnly } = message;
  const request = id === "" ? undefined : { id, hash: hashRequest(schema, message) };
  const pairs = Object.entries(message.metadata);
  const metadata = pairs.length === 0 ? NO_METADATA : new Map(pairs);
  return { userId, request, metadata, caller, actor, maxPoints, validateOnly };
}

function toCost(
  cost: ConsumeRequest["cost"] | SettleRequest["cost"] | ExtendHoldRequest["more"],
  prices: PriceLists,
): AskedCost | undefined {
  switch (cost.case) {
    case undefined:
      return undefined;
    case "points":
      return { points: cost.value, usage: null };
    case "usage":
      return priceUsage(prices, toUsage(cost.value));
  }
}

function toExpiration(
  expiration: (RechargeRequest | FreezeRequest | ExtendHoldRequest)["expiration"],
): Exclude<Expiration, { kind: "never" }> | undefined {
  switch (expiration.case) {
    case undefined:
      return undefined;
    case "expireTime": {
      const time = fromTimestamp(expiration.value);
      if (time === undefined) throw invalidField("expire_time", "must be a valid timestamp");
      return { kind: "at", time };
    }
    case "ttl":
      return { kind: "after", ttl: toTtl(expiration.value, "ttl") };
  }
}

function toShortfall(onShortfall: ShortfallMessage): Shortfall {
  if (onShortfall === ShortfallMessage.TAKE) return "take";
  return onShortfall === ShortfallMessage.OWE ? "owe" : "refuse";
}

function toTarget({ target, expectedHash }: ExpireRequest): ExpireTarget {
  if (target.case !== "lot") requireNoHash(expectedHash);
  switch (target.case) {
    case undefined:
      return missing("target");
    case "points":
      return { kind: "points", points: target.value };
    case "lot":
      return { kind: "lot", lot: target.value, ...guard({ expectedHash }) };
    case "due":
      return { kind: "due" };
  }
}

function toRevokeTarget({ target, lotPoints, expectedHash }: RevokeRequest): RevokeTarget {
  if (target.case !== "lot") requireNoHash(expectedHash);
  switch (target.case) {
    case undefined:
      return missing("target");
    case "points":
      if (lotPoints !== undefined) throw invalidField("lot_points", "is for a lot only");
      return { kind: "points", points: target.value };
    case "lot":
      return { kind: "lot", lot: target.value, points: lotPoints, ...guard({ expectedHash }) };
  }
}

function guard({ expectedHash }: { readonly expectedHash: Uint8Array }): Guarded {
  return { expectedHash: expectedHash.length === 0 ? undefined : expectedHash };
}

function requireNoHash(expectedHash: Uint8Array): void {
  if (expectedHash.length > 0) throw invalidField("expected_hash", "is only for a lot");
}

function missing(field: string): never {
  throw invalidField(field, "is required");
}
