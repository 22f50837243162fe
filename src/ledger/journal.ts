import type { AccountState } from "./state.ts";
import type { Metadata, Request } from "./command.ts";
import { type Entry, type EntryContent, nextEntry } from "./entry.ts";
import type { Micros } from "./time.ts";

/** What a command did to an account, so far. */
export type Applied = {
  readonly state: AccountState;
  /** All entries that it made, in their order. */
  readonly entries: readonly Entry[];
  /** The entry that answers the command; undefined if it had nothing to do. */
  readonly entry: Entry | undefined;
};

/** Who caused an entry: a command. */
export type Cause = {
  readonly request: Request | undefined;
  readonly metadata: Metadata;
  readonly caller: string;
};

/** The ledger itself, when it books what is due. */
export const THE_LEDGER: Cause = { request: undefined, metadata: new Map(), caller: "" };

/** What an entry says; what is left out has its empty value. */
export type Draft = Pick<EntryContent, "kind" | "points" | "allocations"> &
  Partial<Omit<EntryContent, keyof Cause>>;

/** Changes the state, and writes the entry that says so. It becomes the command's answer. */
export function append(
  before: Applied,
  change: Partial<Pick<AccountState, "lots" | "holds" | "refunded">>,
  draft: Draft,
  cause: Cause,
  now: Micros,
): Applied {
  const { entry, account } = nextEntry(before.state, contentOf(draft, cause), now);
  const recent = { entry, before: before.state.recent };
  return {
    state: { ...before.state, ...change, account, recent },
    entries: [...before.entries, entry],
    entry,
  };
}

/** All that an entry says. */
export function contentOf(draft: Draft, { request, metadata, caller }: Cause): EntryContent {
  return { ...EMPTY, ...draft, request, metadata, caller };
}

const EMPTY = {
  returned: 0n,
  refersTo: null,
  expireTime: null,
  priority: 0,
  usage: null,
} as const;
