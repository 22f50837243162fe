import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import {
  ConsumeRequestSchema,
  ExpireRequestSchema,
  FreezeRequestSchema,
  RechargeRequestSchema,
  RefundRequestSchema,
  ReleaseRequestSchema,
  SettleRequestSchema,
} from "../../../gen/points/v1/points_pb.ts";
import type { PricedUsage } from "../../../gen/points/v1/prices_pb.ts";
import type { SetOperation } from "../oracle/decide.ts";
import type { Dated, Replayed } from "../oracle/replay.ts";
import { nanosOf } from "../oracle/time.ts";

/** The request of an entry; all fields are empty for the ledger's own entries. */
export type Asked = {
  /** The caller's name; empty without credentials. */
  readonly caller: string;
  readonly requestId: string;
  readonly fingerprint: string | null;
  readonly metadata: Readonly<Record<string, string>>;
};

/**
 * The hash of an entry in the chain, implemented independently after the description in
 * src/ledger/entry.ts: SHA-256 of the previous hash and of a JSON array of the entry's content.
 *
 * @param after the account after the entry
 */
export function chainHash(
  previous: Uint8Array,
  userId: string,
  draft: Dated,
  after: Replayed,
  asked: Asked,
): Uint8Array {
  const content = [
    userId,
    `${after.sequence}`,
    draft.kind,
    `${draft.points}`,
    draft.parts.map(({ lot, points }) => [`${lot}`, `${points}`]),
    `${draft.returned}`,
    draft.refersTo === 0n ? null : `${draft.refersTo}`,
    `${draft.time}`,
    draft.expireTime === undefined ? null : `${draft.expireTime}`,
    `${draft.priority}`,
    draft.usage === undefined ? null : usageContent(draft.usage),
    asked.requestId === "" ? null : asked.requestId,
    asked.fingerprint,
    sortedPairs(asked.metadata),
    `${after.balance}`,
    `${after.frozen}`,
    `${after.totalRecharged}`,
    `${after.totalConsumed}`,
    `${after.totalExpired}`,
    `${after.totalRefunded}`,
    ...(asked.caller === "" ? [] : [asked.caller]),
  ];
  return createHash("sha256").update(previous).update(JSON.stringify(content)).digest();
}

/** The fingerprint of a request, in hexadecimal digits; null without a request id. */
export function fingerprintOf({ case: kind, value }: SetOperation): string | null {
  if (value.requestId === "") return null;
  const metadata = Object.fromEntries(sortedPairs(value.metadata));
  // Each kind's schema matches its value; the compiler cannot see that.
  const schema = SCHEMAS[kind] as typeof ConsumeRequestSchema;
  const content = toBinary(schema, { ...value, requestId: "", metadata } as never);
  return createHash("sha256").update(`${schema.typeName}\n`).update(content).digest("hex");
}

/** Metadata sorted by key, as entries show it. */
export function sortedPairs(metadata: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(metadata).toSorted(([a], [b]) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
}

const SCHEMAS = {
  recharge: RechargeRequestSchema,
  consume: ConsumeRequestSchema,
  expire: ExpireRequestSchema,
  freeze: FreezeRequestSchema,
  settle: SettleRequestSchema,
  release: ReleaseRequestSchema,
  refund: RefundRequestSchema,
};

function usageContent({ service, amount, priceVersion }: PricedUsage) {
  return [
    service,
    amount.case === "quantity" ? `${amount.value}` : null,
    amount.case === "duration" ? `${nanosOf(amount.value)}` : null,
    priceVersion,
  ];
}
