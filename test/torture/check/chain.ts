import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import type { Entry } from "../../../gen/points/v1/account_pb.ts";
import {
  ConsumeRequestSchema,
  ExpireRequestSchema,
  ExtendHoldRequestSchema,
  FreezeRequestSchema,
  RechargeRequestSchema,
  RefundRequestSchema,
  ReleaseRequestSchema,
  RevokeRequestSchema,
  SettleRequestSchema,
} from "../../../gen/points/v1/points_pb.ts";
import {
  DeletePolicyRequestSchema,
  PutPolicyRequestSchema,
} from "../../../gen/points/v1/policies_pb.ts";
import type { Allowance, Limit, Policy } from "../../../gen/points/v1/policy_pb.ts";
import type { PriceCalculation, PricedUsage, Usage } from "../../../gen/points/v1/prices_pb.ts";
import type { SetOperation } from "../oracle/decide.ts";
import { microsOf, nanosOf } from "../oracle/time.ts";

// The digests of an entry, written anew from docs/hash.md, of the message that the API shows.

/** The hash of an entry in the chain, of all its fields but `hash`. */
export function chainHash(previous: Uint8Array, entry: Omit<Entry, "hash">): Uint8Array {
  const { createTime, expireTime } = entry;
  const allocations = entry.allocations.map(({ lot, points }) => message([1, lot], [2, points]));
  const content = message(
    [2, entry.sequence],
    [3, entry.kind],
    [4, entry.points],
    [5, listOf(allocations)],
    [6, createTime && microsOf(createTime)],
    [9, entry.balanceAfter],
    [10, entry.frozenAfter],
    [11, expireTime && microsOf(expireTime)],
    [12, entry.priority],
    [14, entry.refersTo],
    [15, entry.returned],
    [16, entry.usage && usageContent(entry.usage)],
    [17, entry.caller],
    [18, entry.personalDigest],
    [19, entry.fingerprint],
    [22, entry.category],
    [23, listOf(entry.services.map((service) => Buffer.from(service)))],
    [24, entry.owed],
    [25, entry.uncovered],
    [26, entry.repaid],
    [27, entry.fromBalance],
    [28, entry.cause],
    [29, listOf(entry.alerts.map((name) => Buffer.from(name)))],
    [30, entry.debtAfter],
    [31, entry.keptOpen ? 1n : 0n],
    [32, entry.fromClaim ? 1 : 0],
    [33, entry.policy && policyContent(entry.policy)],
    [34, entry.erasedHash],
  );
  return sha256(previous, content);
}

/** The digest of what is personal in an entry. */
export function personalDigest(
  salt: Uint8Array,
  {
    userId,
    requestId,
    metadata,
    actor,
    member,
  }: Pick<Entry, "userId" | "requestId" | "metadata" | "actor" | "member">,
): Uint8Array {
  const list = mapOf(metadata);
  return sha256(salt, message([1, userId], [7, requestId], [8, list], [20, actor], [21, member]));
}

/** The fingerprint of a request; empty without a request id. */
export function fingerprintOf(salt: Uint8Array, { case: kind, value }: SetOperation): Uint8Array {
  if (value.requestId === "") return new Uint8Array();
  const metadata = Object.fromEntries(sortedPairs(value.metadata));
  // Each kind's schema matches its value; the compiler cannot see that.
  const schema = SCHEMAS[kind] as typeof ConsumeRequestSchema;
  const content = toBinary(schema, {
    ...value,
    ...("cost" in value && value.cost.case === "usage" ? { cost: inOrder(value.cost) } : {}),
    ...("more" in value && value.more.case === "usage" ? { more: inOrder(value.more) } : {}),
    requestId: "",
    validateOnly: false,
    metadata,
  } as never);
  const hash = sha256(Buffer.from(`${schema.typeName}\n`), content);
  return sha256(salt, hash).subarray(0, 16);
}

/** A usage with its maps sorted by key. */
function inOrder({ value: usage }: { readonly value: Usage }) {
  const meters = Object.fromEntries(sortedPairs(usage.meters));
  const attributes = Object.fromEntries(sortedPairs(usage.attributes));
  return { case: "usage", value: { ...usage, meters, attributes } };
}

/** A map's pairs sorted by key, as entries show them. */
export function sortedPairs<T>(map: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(map).toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

const SCHEMAS = {
  recharge: RechargeRequestSchema,
  consume: ConsumeRequestSchema,
  expire: ExpireRequestSchema,
  revoke: RevokeRequestSchema,
  freeze: FreezeRequestSchema,
  extendHold: ExtendHoldRequestSchema,
  settle: SettleRequestSchema,
  release: ReleaseRequestSchema,
  refund: RefundRequestSchema,
  putPolicy: PutPolicyRequestSchema,
  deletePolicy: DeletePolicyRequestSchema,
};

function policyContent({ name, rule }: Policy): Buffer {
  switch (rule.case) {
    case undefined:
      return message([1, name]);
    case "allowance":
      return message([1, name], [2, allowanceContent(rule.value)]);
    case "limit":
      return message([1, name], [3, limitContent(rule.value)]);
    case "alert":
      return message([1, name], [4, message([1, String(rule.value.below)])]);
    case "creditLine":
      return message([1, name], [5, message([1, String(rule.value.points)])]);
  }
}

function allowanceContent(allowance: Allowance): Buffer {
  const { points, every, startTime, timeZone, expiration, endTime } = allowance;
  return message(
    [1, points],
    [2, message([1, every!.count], [2, every!.unit])],
    [3, microsOf(startTime!)],
    [4, timeZone],
    [5, expiration.case === "periods" ? expiration.value : 0],
    [6, expiration.case === "ttl" ? nanosOf(expiration.value) : 0],
    [7, expiration.case === "never" ? 1 : 0],
    [8, allowance.priority],
    [9, allowance.category],
    [10, listOf(allowance.services.map((service) => Buffer.from(service)))],
    [11, endTime && microsOf(endTime)],
  );
}

/** Without the member, which is the entry's. */
function limitContent({ points, window, eachMember, service }: Limit): Buffer {
  const { span, timeZone } = window!;
  const tag = span.case === "calendar" ? 1 : 2;
  return message(
    [1, points],
    [2, message([tag, Number(span.value)], [3, timeZone])],
    [4, eachMember ? 1 : 0],
    [5, service],
  );
}

function usageContent(usage: PricedUsage): Buffer {
  const { service, amount, priceVersion, meters, attributes, calculation } = usage;
  const quantity = amount.case === "quantity" ? amount.value : 0n;
  const duration = amount.case === "duration" ? nanosOf(amount.value) : 0n;
  return message(
    [1, service],
    [2, quantity],
    [3, duration],
    [4, priceVersion],
    [5, mapOf(meters)],
    [6, mapOf(attributes)],
    [7, calculation && calculationContent(calculation)],
  );
}

function calculationContent(calculation: PriceCalculation): Buffer {
  const { when, fixed, meters, factor, minimum, maximum } = calculation;
  const metered = meters.map(({ of, amount, points, per, unit }) =>
    message([1, of], [2, amount], [3, points], [4, per], [5, unit && nanosOf(unit)]),
  );
  return message(
    [1, mapOf(when)],
    [2, fixed],
    [3, listOf(metered)],
    [4, factor],
    [5, minimum],
    [6, maximum],
  );
}

function mapOf(map: Readonly<Record<string, string | bigint>>): Buffer {
  const texts = Object.fromEntries(Object.entries(map).map(([key, one]) => [key, String(one)]));
  const pairs = sortedPairs(texts);
  return listOf(
    pairs.flat().map((text) => Buffer.from(text)),
    pairs.length,
  );
}

type Value = bigint | number | string | Uint8Array | undefined;

function message(...fields: readonly [tag: number, value: Value][]): Buffer {
  return Buffer.concat(
    fields.flatMap(([tag, value]) => {
      const bytes = bytesOfValue(value);
      return bytes.length === 0 ? [] : [Buffer.of(tag), uint32(bytes.length), bytes];
    }),
  );
}

function bytesOfValue(value: Value): Uint8Array {
  if (value instanceof Uint8Array) return value;
  return Buffer.from(value === undefined || value === 0 || value === 0n ? "" : String(value));
}

function listOf(items: readonly Buffer[], count = items.length): Buffer {
  if (count === 0) return Buffer.alloc(0);
  return Buffer.concat([uint32(count), ...items.flatMap((item) => [uint32(item.length), item])]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  return createHash("sha256").update(Buffer.concat(parts)).digest();
}
