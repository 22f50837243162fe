import type { Metadata, RecordedRequest, Request } from "./command.ts";
import { recorded } from "./digests.ts";
import { type Entry, type EntryContent, nextEntry } from "./entry.ts";
import { NO_SERVICES } from "./lot.ts";
import type { AccountState } from "./state.ts";
import type { Micros } from "./time.ts";

/** The effect of a command on an account so far. */
export type Applied = {
  readonly state: AccountState;
  /** All entries that the command made, in their order. */
  readonly entries: readonly Entry[];
  /** The entry that answers the command; undefined: it had nothing to do. */
  readonly entry: Entry | undefined;
};

/** The cause of an entry: who asked for it, by which request. */
export type Cause = {
  readonly request: RecordedRequest | undefined;
  readonly metadata: Metadata;
  readonly caller: string;
  readonly actor: string;
};

/** The cause of entries that the ledger books by itself, because something is due. */
export const SYSTEM_CAUSE: Cause = {
  request: undefined,
  metadata: new Map(),
  caller: "",
  actor: "",
};

/** The content of an entry without its cause; left-out fields are empty. */
export type Draft = Pick<EntryContent, "kind" | "points" | "allocations"> &
  Partial<Omit<EntryContent, keyof Cause>>;

/** A change of the state, and the entry that records it. */
type Step = {
  readonly change: Partial<
    Pick<
      AccountState,
      "lots" | "holds" | "refunded" | "revoked" | "repaidUntil" | "policies" | "otherDueTime"
    >
  >;
  readonly entry: Draft;
  /** The command. */
  readonly cause: Omit<Cause, "request"> & { readonly request: Request | undefined };
  readonly now: Micros;
};

/** Changes the state and appends the entry of the change, which answers the command. */
export function append(before: Applied, { change, entry: draft, cause, now }: Step): Applied {
  const { metadata, caller, actor } = cause;
  const request = cause.request && recorded(before.state.account.salt, cause.request);
  const content = contentOf(draft, { request, metadata, caller, actor });
  const { entry, account } = nextEntry(before.state, content, now);
  const recent = { entry, before: before.state.recent };
  return {
    state: { ...before.state, ...change, account, recent },
    entries: [...before.entries, entry],
    entry,
  };
}

/** The whole content of an entry. */
export function contentOf(draft: Draft, { request, metadata, caller, actor }: Cause): EntryContent {
  return { ...EMPTY, ...draft, request, metadata, caller, actor };
}

const EMPTY = {
  returned: 0n,
  owed: 0n,
  uncovered: 0n,
  repaid: 0n,
  fromBalance: 0n,
  keptOpen: false,
  fromClaim: false,
  refersTo: null,
  expireTime: null,
  priority: 0,
  category: "",
  services: NO_SERVICES,
  usage: null,
  policy: null,
  cause: "",
  member: "",
  erasedHash: null,
  holdAfter: null,
} as const;
