import { defineEntity, p } from "@mikro-orm/postgresql";
import { InstantType } from "./instant.ts";

// The tables as the ORM sees them; migrations/ makes them. Bigints are bigints here, times are
// microseconds (instant.ts). `user_id` comes first in every key, and no key leaves the account, so
// that the tables can be spread over machines by user.

const instant = () => p.type(InstantType);
const points = () => p.bigint();
const id = () => p.text().collation("C");
const userId = () => id().primary();

const figures = {
  balance: points(),
  frozen: points(),
  totalRecharged: points(),
  totalConsumed: points(),
  totalExpired: points(),
  totalRefunded: points(),
};

/** One row a user, and the row that a batch locks. */
export const AccountEntity = defineEntity({
  name: "Account",
  tableName: "account",
  properties: {
    userId: userId(),
    sequence: p.bigint(),
    ...figures,
    hash: p.blob(),
    receipts: p.integer().default(0),
    createTime: instant(),
    updateTime: instant(),
  },
});

/** One row a lot. The table's `open` column, which the database keeps, is for queries alone. */
export const LotEntity = defineEntity({
  name: "Lot",
  tableName: "lot",
  properties: {
    userId: userId(),
    number: p.bigint().primary(),
    points: points(),
    remaining: points(),
    frozen: points(),
    priority: p.smallint(),
    expireTime: instant().nullable(),
  },
});

/** One row a hold, open or closed, with the lots that its points came from. */
export const HoldEntity = defineEntity({
  name: "Hold",
  tableName: "hold",
  properties: {
    userId: userId(),
    number: p.bigint().primary(),
    points: points(),
    settled: points(),
    status: p.text(),
    expireTime: instant(),
    lots: p.array(),
    lotPoints: p.array(),
  },
});

/** One row an entry: written once, never changed. Allocations are two arrays of equal length. */
export const EntryEntity = defineEntity({
  name: "Entry",
  tableName: "entry",
  properties: {
    userId: userId(),
    sequence: p.bigint().primary(),
    kind: p.text(),
    points: points(),
    lots: p.array(),
    lotPoints: p.array(),
    returned: points(),
    refersTo: p.bigint().nullable(),
    createTime: instant(),
    expireTime: instant().nullable(),
    priority: p.smallint(),
    service: p.text().nullable(),
    quantity: p.bigint().nullable(),
    durationNanos: p.bigint().nullable(),
    priceVersion: p.text().nullable(),
    requestId: id().nullable(),
    fingerprint: p.blob().nullable(),
    metadata: p.json<Record<string, string>>().nullable(),
    ...figures,
    hash: p.blob(),
    caller: id().nullable(),
  },
});

/** How much of an entry has been refunded, for entries of which something was. */
export const RefundEntity = defineEntity({
  name: "Refund",
  tableName: "refund",
  properties: {
    userId: userId(),
    sequence: p.bigint().primary(),
    refunded: points(),
  },
});

/**
 * A request that succeeded without an entry of its own, and the account's sequence at that time;
 * `madeEntry`: that entry is its answer. Without a name: it made the account.
 */
export const ReceiptEntity = defineEntity({
  name: "Receipt",
  tableName: "receipt",
  properties: {
    userId: userId(),
    number: p.bigint().primary(),
    sequence: p.bigint(),
    madeEntry: p.boolean(),
    requestId: id().nullable(),
    fingerprint: p.blob().nullable(),
    hash: p.blob(),
  },
});

/** One row: what page tokens are signed with. */
export const PageKeyEntity = defineEntity({
  name: "PageKey",
  tableName: "page_key",
  properties: {
    id: p.smallint().primary().autoincrement(false),
    key: p.blob(),
  },
});
