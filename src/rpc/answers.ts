import { create } from "@bufbuild/protobuf";
import {
  type Account as AccountMessage,
  AccountSchema,
  type Entry as EntryMessage,
  EntryKind,
  EntrySchema,
} from "../../gen/points/v1/account_pb.ts";
import type { Account } from "../ledger/account.ts";
import type { Answer } from "../ledger/batch.ts";
import type { Entry } from "../ledger/entry.ts";
import { toTimestamp } from "./timestamps.ts";

// From the ledger to protobuf.

/** What every mutation answers with. */
export function toMutationAnswer({ entry, account, replayed }: Answer) {
  return {
    ...(entry === undefined ? {} : { entry: toEntryMessage(entry) }),
    account: toAccountMessage(account),
    replayed,
  };
}

/** The account as the contract has it. */
export function toAccountMessage(account: Account): AccountMessage {
  const { userId, sequence, balance, totalRecharged, totalConsumed, totalExpired } = account;
  return create(AccountSchema, {
    userId,
    sequence,
    balance,
    totalRecharged,
    totalConsumed,
    totalExpired,
    createTime: toTimestamp(account.createTime),
    updateTime: toTimestamp(account.updateTime),
  });
}

function toEntryMessage(entry: Entry): EntryMessage {
  const { userId, sequence, points, allocations, priority, expireTime, hash } = entry;
  return create(EntrySchema, {
    userId,
    sequence,
    kind: KINDS[entry.kind],
    points,
    allocations: [...allocations],
    createTime: toTimestamp(entry.time),
    requestId: entry.request?.id ?? "",
    metadata: sorted(entry.metadata),
    balanceAfter: entry.after.balance,
    ...(expireTime === null ? {} : { expireTime: toTimestamp(expireTime) }),
    priority,
    hash,
  });
}

/** The database keeps no order of keys, and a repeat must equal the first answer to the byte. */
function sorted(metadata: Entry["metadata"]): Record<string, string> {
  return Object.fromEntries([...metadata].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

const KINDS: Record<Entry["kind"], EntryKind> = {
  recharge: EntryKind.RECHARGE,
  consume: EntryKind.CONSUME,
  expire: EntryKind.EXPIRE,
};
