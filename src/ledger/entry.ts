import type { Account, Figures } from "./account.ts";
import type { Metadata, RecordedRequest } from "./command.ts";
import { hashEntry } from "./entry-hash.ts";
import type { Hold } from "./hold.ts";
import type { Allocation } from "./lot.ts";
import { alertsOf, type Rule, type PolicyState } from "./policy.ts";
import type { PricedUsage } from "./prices.ts";
import type { Micros } from "./time.ts";

/** The kind of change that an entry records. */
export type EntryKind =
  | "recharge"
  | "consume"
  | "expire"
  | "freeze"
  | "extend"
  | "settle"
  | "release"
  | "refund"
  | "revoke"
  | "setPolicy"
  | "erase";

/** What an extend entry leaves in its hold, beside what the entry says itself. */
export type HoldAfter = Pick<Hold, "points" | "settled" | "service" | "allocations">;

/** The content of an entry, before it has a place in a journal. */
export type EntryContent = {
  readonly kind: EntryKind;
  /** The points that it moved, 0 or more. */
  readonly points: bigint;
  /** The lots that points came from or went to; with `owed` or `repaid` they add up to `points`. */
  readonly allocations: readonly Allocation[];
  /** Of a settle: the rest of the hold, which went back; otherwise 0. */
  readonly returned: bigint;
  /** Of a consume, settle or revoke: the points that nobody had, and that became debt; otherwise 0. */
  readonly owed: bigint;
  /**
   * Of a consume or settle: the points of its cost that were not spent. Of a revoke: the points that it
   * did not take; of a lot's, they are claimed. Of a refund: the points of a claim that it ended.
   */
  readonly uncovered: bigint;
  /** Of what it brought: the points that repaid debt. */
  readonly repaid: bigint;
  /** Of a settle: the points that it spent beyond its hold, from the balance; otherwise 0. */
  readonly fromBalance: bigint;
  /** Of a settle: whether the hold stayed open. */
  readonly keptOpen: boolean;
  /** Of a revoke: whether a claim took what came back to its lot; the ledger booked it by itself. */
  readonly fromClaim: boolean;
  /** The entry that an extend, settle, release or refund is about, or the lot of a revoke; otherwise null. */
  readonly refersTo: bigint | null;
  /**
   * The expiry of the lot or hold that it made or extended, or of points that a refund would have given
   * a new lot and that repaid debt; null: never, or there is none.
   */
  readonly expireTime: Micros | null;
  /** The priority of the lot that it made; otherwise 0. */
  readonly priority: number;
  /** The category and the services of the lot that it made; otherwise empty. */
  readonly category: string;
  readonly services: readonly string[];
  /** The use of a service that was priced; null: the caller named points. */
  readonly usage: PricedUsage | null;
  /** Of a set policy: the policy as it was set; a rule of null: it ended. Otherwise null. */
  readonly policy: { readonly name: string; readonly rule: Rule | null } | null;
  /** Of a recharge that the ledger booked: the allowance that gave the points; otherwise empty. */
  readonly cause: string;
  /** The member that spent, or that it is about; empty: none was said. */
  readonly member: string;
  /** Of an erase: the hash of the entry before, 32 bytes, zeros if there was none; otherwise null. */
  readonly erasedHash: Uint8Array | null;
  /** Of an extend: the hold after it, which a repeat is answered with; otherwise null. Not hashed. */
  readonly holdAfter: HoldAfter | null;
  /** Undefined where the caller gave no request id, or where the ledger booked it by itself. */
  readonly request: RecordedRequest | undefined;
  readonly metadata: Metadata;
  /** The caller's name; empty if not known, or where the ledger booked it by itself. */
  readonly caller: string;
  /** The person or job on whose behalf the caller acted; empty if not said. */
  readonly actor: string;
  /** Of an entry whose personal values were erased: the digest of what they were. */
  readonly personalDigest?: Uint8Array;
};

/** One change of one account, in its place in the journal. */
export type Entry = EntryContent & {
  readonly userId: string;
  /** 1, 2, 3, … without gaps. */
  readonly sequence: bigint;
  readonly time: Micros;
  /** The account's figures after this entry. */
  readonly after: Figures;
  /** The names of the alerts below whose number it brought the account, in order. */
  readonly alerts: readonly string[];
  /** SHA-256, 32 bytes: see `hashEntry`. */
  readonly hash: Uint8Array;
};

/** Makes the account's next entry, and the account after it. */
export function nextEntry(
  { account, policies }: Journaled,
  content: EntryContent,
  time: Micros,
): { entry: Entry; account: Account } {
  const after = figuresAfter(account, content);
  const unhashed = {
    ...content,
    userId: account.userId,
    sequence: account.sequence + 1n,
    time,
    after,
    alerts: policies.length === 0 ? NO_ALERTS : alertsOf(policies, account, after),
  };
  const entry = { ...unhashed, hash: hashEntry(account.hash, unhashed, account.salt) };
  return { entry, account: accountAfter(entry, account) };
}

/** What an entry needs to know of its account. */
type Journaled = { readonly account: Account; readonly policies: readonly PolicyState[] };

const NO_ALERTS: readonly string[] = [];

/** The account after an entry. */
export function accountAfter(
  entry: Entry,
  { salt, createTime }: Pick<Account, "salt" | "createTime">,
): Account {
  const { userId, sequence, hash, time: updateTime } = entry;
  return { ...entry.after, userId, sequence, hash, salt, createTime, updateTime };
}

function figuresAfter(figures: Figures, content: EntryContent): Figures {
  const { kind, points, returned, owed, repaid, fromBalance } = content;
  const {
    balance,
    frozen,
    totalRecharged,
    totalConsumed,
    totalExpired,
    totalRefunded,
    totalRevoked,
  } = figures;
  const debt = figures.debt + owed - repaid;
  const before = {
    balance,
    frozen,
    totalRecharged,
    totalConsumed,
    totalExpired,
    totalRefunded,
    totalRevoked,
    debt,
  };
  const brought = points - repaid;
  switch (kind) {
    case "recharge":
      return { ...before, balance: balance + brought, totalRecharged: totalRecharged + points };
    case "consume":
      return { ...before, balance: balance - points + owed, totalConsumed: totalConsumed + points };
    case "expire":
      return { ...before, balance: balance - points, totalExpired: totalExpired + points };
    case "freeze":
    case "extend":
      return { ...before, balance: balance - points, frozen: frozen + points };
    case "settle":
      return {
        ...before,
        balance: balance + returned - repaid - fromBalance,
        frozen: frozen - (points - fromBalance - owed) - returned,
        totalConsumed: totalConsumed + points,
      };
    case "release":
      return { ...before, balance: balance + brought, frozen: frozen - points };
    case "refund":
      return { ...before, balance: balance + brought, totalRefunded: totalRefunded + points };
    case "revoke":
      return { ...before, balance: balance - points + owed, totalRevoked: totalRevoked + points };
    case "setPolicy":
    case "erase":
      return before;
  }
}
