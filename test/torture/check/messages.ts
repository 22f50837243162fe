import { create, toBinary } from "@bufbuild/protobuf";
import {
  type Account,
  AccountSchema,
  EntryKind,
  EntrySchema,
  type Entry,
  type Hold,
  HoldSchema,
  HoldState,
  type Lot,
  LotSchema,
} from "../../../gen/points/v1/account_pb.ts";
import { type GetEntryResponse, GetEntryResponseSchema } from "../../../gen/points/v1/points_pb.ts";
import type { PricedUsage } from "../../../gen/points/v1/prices_pb.ts";
import type { Dated, Replayed, ReplayedHold, ReplayedLot } from "../oracle/replay.ts";
import { timestampOf } from "../oracle/time.ts";
import { chainHash, personalDigest, sortedPairs } from "./chain.ts";

// The messages by which the API must show a replayed account.

const KINDS = {
  recharge: EntryKind.RECHARGE,
  consume: EntryKind.CONSUME,
  expire: EntryKind.EXPIRE,
  revoke: EntryKind.REVOKE,
  freeze: EntryKind.FREEZE,
  extend: EntryKind.EXTEND,
  settle: EntryKind.SETTLE,
  release: EntryKind.RELEASE,
  refund: EntryKind.REFUND,
  setPolicy: EntryKind.SET_POLICY,
} as const;

const STATES = {
  open: HoldState.OPEN,
  settled: HoldState.SETTLED,
  released: HoldState.RELEASED,
  expired: HoldState.EXPIRED,
} as const;

/** Whose account is replayed, and the salt that the API shows. */
export type Replaying = { readonly userId: string; readonly salt: Uint8Array };

/** The request of an entry; all fields are empty for the ledger's own entries. */
export type Asked = Pick<Entry, "requestId" | "fingerprint" | "metadata" | "actor"> & {
  /** The caller's name; empty without credentials. */
  readonly caller: string;
};

/**
 * The message of an entry.
 *
 * @param previous the hash of the entry before
 * @param after the account after the entry
 */
export function entryMessage(
  previous: Uint8Array,
  { userId, salt }: Replaying,
  draft: Dated,
  after: Replayed,
  asked: Asked,
): Entry {
  const { requestId, metadata, caller, actor, fingerprint } = asked;
  const { kind, points, parts, returned, refersTo, priority, expireTime, usage, time } = draft;
  const { policy, category, services, keptOpen, fromClaim, owed, uncovered, repaid, fromBalance } =
    draft;
  const entry = create(EntrySchema, {
    userId,
    sequence: after.sequence,
    kind: KINDS[kind],
    points,
    allocations: parts.map((part) => ({ ...part })),
    createTime: timestampOf(time),
    requestId,
    metadata: Object.fromEntries(sortedPairs(metadata)),
    balanceAfter: after.balance,
    frozenAfter: after.frozen,
    owed,
    uncovered,
    repaid,
    fromBalance,
    debtAfter: after.debt,
    ...(expireTime === undefined ? {} : { expireTime: timestampOf(expireTime) }),
    priority,
    refersTo,
    returned,
    keptOpen,
    fromClaim,
    caller,
    actor,
    personalDigest: personalDigest(salt, { userId, requestId, metadata, actor, member: "" }),
    fingerprint,
    ...(usage === undefined ? {} : { usage: inOrder(usage) }),
    category,
    services: [...services],
    alerts: [...after.alerts],
    ...(policy === undefined ? {} : { policy }),
  });
  entry.hash = chainHash(previous, entry);
  return entry;
}

/** The API shows maps sorted by key. */
function inOrder(usage: PricedUsage): PricedUsage {
  const meters = Object.fromEntries(sortedPairs(usage.meters));
  return { ...usage, meters, attributes: Object.fromEntries(sortedPairs(usage.attributes)) };
}

/** The message of an account after its last entry; `createTime` is microseconds since 1970. */
export function accountMessage(
  { userId, salt }: Replaying,
  account: Replayed,
  createTime: bigint,
): Account {
  const { sequence, balance, frozen } = account;
  const { totalRecharged, totalConsumed, totalExpired, totalRefunded } = account;
  const { totalRevoked, debt } = account;
  return create(AccountSchema, {
    userId,
    sequence,
    balance,
    frozen,
    totalRecharged,
    totalConsumed,
    totalExpired,
    totalRefunded,
    totalRevoked,
    debt,
    createTime: timestampOf(createTime),
    updateTime: timestampOf(account.time),
    salt,
  });
}

/** The message of a lot. */
export function lotMessage(lot: ReplayedLot): Lot {
  const { expireTime, services, ...same } = lot;
  const expiry = expireTime === undefined ? {} : { expireTime: timestampOf(expireTime) };
  return create(LotSchema, { ...same, ...expiry, services: [...services] });
}

/** The message of a hold. */
export function holdMessage({
  number,
  points,
  settled,
  status,
  service,
  expireTime,
  parts,
}: ReplayedHold): Hold {
  return create(HoldSchema, {
    number,
    points,
    settled,
    state: STATES[status],
    service,
    expireTime: timestampOf(expireTime),
    allocations: parts.map((part) => ({ ...part })),
  });
}

/** The bytes of messages, for comparison. */
export const bytesOf = {
  entry: (entry: Entry) => toBinary(EntrySchema, entry),
  one: (one: GetEntryResponse) => toBinary(GetEntryResponseSchema, one),
  account: (account: Account) => toBinary(AccountSchema, account),
  lot: (lot: Lot) => toBinary(LotSchema, lot),
  hold: (hold: Hold) => toBinary(HoldSchema, hold),
};

/** Whether two messages are equal byte for byte. */
export function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Buffer.compare(a, b) === 0;
}
