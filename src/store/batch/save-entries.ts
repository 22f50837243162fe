import { sql } from "kysely";
import { KIND_NUMBERS } from "../../ledger/entry-kinds.ts";
import type { Entry } from "../../ledger/entry.ts";
import { isScoped } from "../../ledger/lot.ts";
import {
  bigints,
  booleans,
  bytes,
  type Columns,
  onlyIf,
  smallints,
  textLists,
  texts,
  times,
} from "../driver/columns.ts";
import type { FeedPlace } from "./feed.ts";
import { packAllocations } from "./packed-allocations.ts";
import { toPolicyText } from "./policy-text.ts";
import { toPricing } from "./pricing.ts";
import { insertAll, type Write } from "./write.ts";

/** The places of new entries in the stream of all entries, by user id. */
export type Feeds = ReadonlyMap<string, FeedPlace>;

/** Inserts entries. Absent values and zeros are null, which takes no space. */
export function insertEntries(entries: readonly Entry[], feeds: Feeds): Write {
  const columns = {
    sequence: bigints(entries, (entry) => entry.sequence),
    points: bigints(entries, (entry) => entry.points),
    balance: bigints(entries, ({ after }) => after.balance),
    total_recharged: bigints(entries, ({ after }) => after.totalRecharged),
    total_consumed: bigints(entries, ({ after }) => after.totalConsumed),
    create_time: times(entries, (entry) => entry.time),
    feed: bigints(entries, ({ userId }) => feeds.get(userId)!.feed),
    frozen: bigints(entries, ({ after }) => after.frozen || null),
    total_expired: bigints(entries, ({ after }) => after.totalExpired || null),
    total_refunded: bigints(entries, ({ after }) => after.totalRefunded || null),
    returned: bigints(entries, (entry) => entry.returned || null),
    refers_to: bigints(entries, (entry) => entry.refersTo),
    expire_time: times(entries, (entry) => entry.expireTime),
    quantity: bigints(entries, ({ usage }) => usage?.quantity ?? null),
    duration_nanos: bigints(entries, ({ usage }) => usage?.durationNanos ?? null),
    epoch: bigints(entries, ({ userId }) => feeds.get(userId)!.epoch),
    kind: smallints(entries, (entry) => KIND_NUMBERS[entry.kind]),
    priority: smallints(entries, (entry) => entry.priority || null),
    user_id: texts(entries, (entry) => entry.userId),
    hash: bytes(entries, (entry) => entry.hash),
    allocations: bytes(entries, (entry) => packAllocations(entry.allocations)),
    request_id: texts(entries, ({ request }) => request?.id ?? null),
    fingerprint: bytes(entries, ({ request }) => request?.fingerprint ?? null),
    service: texts(entries, ({ usage }) => usage?.service ?? null),
    price_version: texts(entries, ({ usage }) => usage?.priceVersion ?? null),
    metadata: sql`${texts(entries, ({ metadata }) => toJson(metadata))}::jsonb`,
    caller: texts(entries, (entry) => entry.caller || null),
    ...rareColumns(entries),
  };
  return insertAll({ table: "entry", columns, count: entries.length });
}

function rareColumns(entries: readonly Entry[]): Columns {
  const pricings = entries.map(({ usage }) => (usage === null ? undefined : toPricing(usage)));
  return {
    ...onlyIf(entries.some(isOfLotWithWords), () => ({
      category: texts(entries, (entry) => entry.category || null),
      services: textLists(entries, (entry) => entry.services),
    })),
    ...onlyIf(entries.some(isOfDebt), () => ({
      debt: bigints(entries, ({ after }) => after.debt || null),
      owed: bigints(entries, (entry) => entry.owed || null),
      uncovered: bigints(entries, (entry) => entry.uncovered || null),
      repaid: bigints(entries, (entry) => entry.repaid || null),
      from_balance: bigints(entries, (entry) => entry.fromBalance || null),
    })),
    ...onlyIf(entries.some(isOfOpenHold), () => ({
      kept_open: booleans(entries, (entry) => entry.keptOpen || null),
      hold_settled: bigints(entries, ({ holdAfter }) => holdAfter?.settled || null),
      hold_service: texts(entries, ({ holdAfter }) => holdAfter?.service ?? null),
      hold_allocations: bytes(entries, ({ holdAfter }) =>
        packAllocations(holdAfter?.allocations ?? []),
      ),
    })),
    ...onlyIf(entries.some(isOfRevocation), () => ({
      total_revoked: bigints(entries, ({ after }) => after.totalRevoked || null),
      from_claim: booleans(entries, ({ fromClaim }) => fromClaim || null),
    })),
    ...onlyIf(entries.some(isOfPolicy), () => ({
      cause: texts(entries, (entry) => entry.cause || null),
      alerts: textLists(entries, (entry) => entry.alerts),
      policy: texts(entries, ({ policy }) => (policy === null ? null : toPolicyText(policy))),
    })),
    ...onlyIf(
      entries.some(({ member }) => member !== ""),
      () => ({ member: texts(entries, ({ member }) => member || null) }),
    ),
    ...onlyIf(
      entries.some(({ actor }) => actor !== ""),
      () => ({ actor: texts(entries, ({ actor }) => actor || null) }),
    ),
    ...onlyIf(
      entries.some(({ erasedHash }) => erasedHash !== null),
      () => ({ erased_hash: bytes(entries, ({ erasedHash }) => erasedHash) }),
    ),
    ...onlyIf(
      pricings.some((pricing) => pricing !== undefined),
      () => ({
        pricing: sql`${texts(pricings, (one) => (one ? JSON.stringify(one) : null))}::jsonb`,
      }),
    ),
  };
}

function isOfDebt({ after, owed, uncovered, repaid, fromBalance }: Entry): boolean {
  return after.debt + owed + uncovered + repaid + fromBalance > 0n;
}

function isOfOpenHold({ keptOpen, holdAfter }: Entry): boolean {
  return keptOpen || holdAfter !== null;
}

function isOfRevocation({ after, fromClaim }: Entry): boolean {
  return fromClaim || after.totalRevoked > 0n;
}

function isOfPolicy({ cause, alerts, policy }: Entry): boolean {
  return policy !== null || cause !== "" || alerts.length > 0;
}

function isOfLotWithWords({ category, services }: Entry): boolean {
  return category !== "" || isScoped({ services });
}

function toJson(metadata: ReadonlyMap<string, string>): string | null {
  return metadata.size === 0 ? null : JSON.stringify(Object.fromEntries(metadata));
}
