import {
  defineEntity,
  type EntitySchemaWithMeta,
  type InferEntity,
  type InferKyselyTable,
  p,
} from "@mikro-orm/postgresql";
import { type RawBuilder, type Selectable, sql } from "kysely";
import type { HoldStatus } from "../../ledger/hold.ts";
import type { Pricing } from "../batch/pricing.ts";
import { InstantType } from "./instant.ts";

// The tables' columns, declared once: migrations/ makes them, and a test compares the two. To the
// ORM, bigints are bigints and times microseconds (instant.ts); RowOf is what SQL gives. `user_id`
// comes first in every key, and no key spans accounts, so that tables can be sharded by user.

/**
 * A row of an entity's table as SQL by hand gets it: columns by their names in the database, and
 * bigints and times as texts.
 */
export type RowOf<Entity extends EntitySchemaWithMeta> = Raw<Selectable<InferKyselyTable<Entity>>>;

type Raw<Row> = { -readonly [Column in keyof Row]: RawValue<Row[Column]> };
type RawValue<Value> = Value extends bigint
  ? string
  : Value extends readonly string[]
    ? readonly string[]
    : Value extends Uint8Array
      ? Uint8Array
      : Value;

/**
 * An entity's columns by name, as SQL to select. A prepared statement with `*` fails once a later
 * version's migration has added a column, and servers of this version may still run by then.
 *
 * @param table the table's name in the statement
 */
export function columnsOf(entity: EntitySchemaWithMeta, table: string): RawBuilder<unknown> {
  const names = propertiesOf(entity).map((name) => `${table}.${underscored(name)}`);
  return sql.raw(names.join(", "));
}

/** The names of an entity's properties, in their order. */
export function propertiesOf<Entity extends EntitySchemaWithMeta>(
  entity: Entity,
): (keyof InferEntity<Entity> & string)[] {
  return Object.keys(entity.meta.properties);
}

function underscored(property: string): string {
  return property.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The types of columns that tables have in common. */
export const instant = () => p.type(InstantType);
const points = () => p.bigint();
export const id = () => p.text().collation("C");
export const userId = () => id().primary();

const figures = {
  balance: points(),
  frozen: points(),
  totalRecharged: points(),
  totalConsumed: points(),
  totalExpired: points(),
  totalRefunded: points(),
};

/**
 * One row per account: the row that a batch locks. `lots` are packed: see packed-lots.ts. `nameDigest`
 * is of the first name of an account that was erased.
 */
export const AccountEntity = defineEntity({
  name: "Account",
  tableName: "account",
  properties: {
    userId: userId(),
    sequence: p.bigint(),
    ...figures,
    totalRevoked: points().defaultRaw("0"),
    debt: points().defaultRaw("0"),
    hash: p.blob(),
    salt: p.blob(),
    receipts: p.integer().default(0),
    openHolds: p.integer().default(0),
    openClaims: p.integer().default(0),
    claimsSequence: p.bigint().nullable(),
    policies: p.integer().default(0),
    policiesSequence: p.bigint().nullable(),
    lots: p.blob().defaultRaw("'\\x'"),
    lotsBeyond: p.integer().default(0),
    beyondRemaining: points().defaultRaw("0"),
    beyondFrozen: points().defaultRaw("0"),
    beyondScoped: points().defaultRaw("0"),
    dueTime: instant().nullable(),
    repaidUntil: instant().nullable(),
    feed: p.bigint().defaultRaw("0"),
    feedEpoch: p.integer().default(0),
    nameDigest: p.blob().nullable(),
    createTime: instant(),
    updateTime: instant(),
  },
});

export type AccountRow = RowOf<typeof AccountEntity>;

/** One row per open lot that is not in its account's row. */
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
    category: p.text().nullable(),
    services: p.array().nullable(),
  },
});

export type LotRow = RowOf<typeof LotEntity>;

/** One row per hold, open or closed, with the lots of what it still has, or had when it was closed. */
export const HoldEntity = defineEntity({
  name: "Hold",
  tableName: "hold",
  properties: {
    userId: userId(),
    number: p.bigint().primary(),
    points: points(),
    settled: points(),
    status: p.text().$type<HoldStatus>(),
    service: p.text().nullable(),
    expireTime: instant(),
    allocations: p.blob().nullable(),
    inParts: p.boolean().default(false),
    member: p.text().nullable(),
  },
});

export type HoldRow = RowOf<typeof HoldEntity>;

/**
 * One row per entry, append-only: absent figures and priorities are 0. `kind` is a number of
 * entry-kinds.ts, and `allocations` are packed: see packed-allocations.ts. `hold…` is what an EXTEND
 * entry left in its hold. `personalDigest` is of what was personal in an entry that was erased.
 */
export const EntryEntity = defineEntity({
  name: "Entry",
  tableName: "entry",
  properties: {
    userId: userId(),
    sequence: p.bigint().primary(),
    kind: p.smallint(),
    points: points(),
    allocations: p.blob().nullable(),
    returned: points().nullable(),
    refersTo: p.bigint().nullable(),
    createTime: instant(),
    expireTime: instant().nullable(),
    priority: p.smallint().nullable(),
    category: p.text().nullable(),
    services: p.array().nullable(),
    service: p.text().nullable(),
    quantity: p.bigint().nullable(),
    durationNanos: p.bigint().nullable(),
    priceVersion: p.text().nullable(),
    pricing: p.json<Pricing>().nullable(),
    requestId: id().nullable(),
    fingerprint: p.blob().nullable(),
    metadata: p.json<Record<string, string>>().nullable(),
    balance: points(),
    frozen: points().nullable(),
    totalRecharged: points(),
    totalConsumed: points(),
    totalExpired: points().nullable(),
    totalRefunded: points().nullable(),
    keptOpen: p.boolean().nullable(),
    holdSettled: points().nullable(),
    holdService: p.text().nullable(),
    holdAllocations: p.blob().nullable(),
    hash: p.blob(),
    caller: id().nullable(),
    actor: p.text().nullable(),
    epoch: p.integer(),
    feed: p.bigint(),
    totalRevoked: points().nullable(),
    debt: points().nullable(),
    owed: points().nullable(),
    uncovered: points().nullable(),
    repaid: points().nullable(),
    fromBalance: points().nullable(),
    fromClaim: p.boolean().nullable(),
    member: p.text().nullable(),
    cause: p.text().nullable(),
    alerts: p.array().nullable(),
    policy: p.text().nullable(),
    personalDigest: p.blob().nullable(),
    erasedHash: p.blob().nullable(),
  },
});

export type EntryRow = RowOf<typeof EntryEntity>;

/**
 * How many points of an entry have been refunded, or of the lot that it made revoked; `claimed` is what
 * of the latter the lot has not given yet. Entries of which nothing is undone have no row.
 */
export const UndoneEntity = defineEntity({
  name: "Undone",
  tableName: "undone",
  properties: {
    userId: userId(),
    sequence: p.bigint().primary(),
    refunded: points().defaultRaw("0"),
    revoked: points().defaultRaw("0"),
    claimed: points().defaultRaw("0"),
  },
});

/**
 * The policies of accounts, one row each without a member; and one for each member who has spent of a
 * limit for each: see policies.ts. `given` are the lots of an allowance that may be open.
 */
export const PolicyEntity = defineEntity({
  name: "Policy",
  tableName: "policy",
  properties: {
    userId: userId(),
    member: id().primary(),
    name: id().primary(),
    sequence: p.bigint().nullable(),
    countsFrom: p.bigint().nullable(),
    rule: p.text().nullable(),
    ended: p.boolean().nullable(),
    period: p.integer().nullable(),
    nextTime: instant().nullable(),
    given: p.array().columnType("bigint[]").nullable(),
    since: p.bigint().nullable(),
    until: instant().nullable(),
    spent: points().nullable(),
  },
});

export type PolicyRow = RowOf<typeof PolicyEntity>;

/**
 * The idempotency record of a request that succeeded without an entry of its own: the account's
 * sequence at that time, and whether that entry is the answer (`madeEntry`). Without a request id:
 * the request made the account.
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
    personalDigest: p.blob().nullable(),
    hash: p.blob(),
  },
});

export type ReceiptRow = RowOf<typeof ReceiptEntity>;

/** One row per life of the cluster: see epoch.ts. */
export const EpochEntity = defineEntity({
  name: "Epoch",
  tableName: "epoch",
  properties: {
    epoch: p.integer().primary().autoincrement(false),
    systemIdentifier: p.bigint(),
    timeline: p.integer(),
    beginTime: instant(),
    forkLsn: p.string().columnType("pg_lsn").nullable(),
  },
});

/** A single row: the ledger's name. */
export const LedgerEntity = defineEntity({
  name: "Ledger",
  tableName: "ledger",
  properties: {
    id: p.smallint().primary().autoincrement(false),
    ledgerId: p.uuid(),
  },
});

/** A single row: the key that signs page tokens. */
export const PageKeyEntity = defineEntity({
  name: "PageKey",
  tableName: "page_key",
  properties: {
    id: p.smallint().primary().autoincrement(false),
    key: p.blob(),
  },
});
