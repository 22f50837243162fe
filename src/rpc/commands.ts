import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import {
  type ConsumeRequest,
  ConsumeRequestSchema,
  type ExpireRequest,
  ExpireRequestSchema,
  type RechargeRequest,
  RechargeRequestSchema,
} from "../../gen/points/v1/points_pb.ts";
import type { Consume, Expire, ExpireTarget, Expiration, Recharge } from "../ledger/command.ts";
import { invalidField } from "./errors.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { fromDuration, fromTimestamp } from "./timestamps.ts";

// From protobuf to the ledger. The limits of single fields have been checked by then (validate.ts);
// what protobuf's own types leave open is checked here.

/** A valid RechargeRequest as a command. Throws FIELD_INVALID for a malformed time. */
export function toRecharge(message: RechargeRequest): Recharge {
  const { points, priority } = message;
  const expiration = toExpiration(message.expiration);
  return { kind: "recharge", ...mutation(RechargeRequestSchema, message), points, priority, expiration };
}

/** A valid ConsumeRequest as a command. */
export function toConsume(message: ConsumeRequest): Consume {
  const { cost } = message;
  if (cost.case === undefined) throw invalidField("cost", "is required");
  return { kind: "consume", ...mutation(ConsumeRequestSchema, message), points: cost.value };
}

/** A valid ExpireRequest as a command. */
export function toExpire(message: ExpireRequest): Expire {
  const target = toTarget(message.target);
  return { kind: "expire", ...mutation(ExpireRequestSchema, message), target };
}

function mutation<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc> & {
    userId: string;
    requestId: string;
    metadata: Record<string, string>;
  },
) {
  const { userId, requestId: id } = message;
  const request =
    id === "" ? undefined : { id, fingerprint: fingerprintOf(schema, message) };
  return { userId, request, metadata: new Map(Object.entries(message.metadata)) };
}

function toExpiration(expiration: RechargeRequest["expiration"]): Expiration {
  switch (expiration.case) {
    case undefined:
      return { kind: "never" };
    case "expireTime": {
      const time = fromTimestamp(expiration.value);
      if (time === undefined) throw invalidField("expire_time", "must be a valid timestamp");
      return { kind: "at", time };
    }
    case "ttl": {
      const ttl = fromDuration(expiration.value);
      if (ttl === undefined) throw invalidField("ttl", "must be a valid duration");
      return { kind: "after", ttl };
    }
  }
}

function toTarget(target: ExpireRequest["target"]): ExpireTarget {
  switch (target.case) {
    case undefined:
      throw invalidField("target", "is required");
    case "points":
      return { kind: "points", points: target.value };
    case "lot":
      return { kind: "lot", lot: target.value };
    case "due":
      return { kind: "due" };
  }
}
