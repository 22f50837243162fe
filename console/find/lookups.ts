import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { skipToken, useInfiniteQuery, useQuery } from "@connectrpc/connect-query";
import type { Account, Entry } from "../../gen/points/v1/account_pb.ts";
import { LedgerService, type SearchEntriesRequestSchema } from "../../gen/points/v1/ledger_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { useSession } from "../app/session.tsx";
import { isolated } from "../app/isolated.ts";
import { type More, moreOf, READ_ONCE, useMore } from "../parts/more-entries.ts";
import { BY_PAGES } from "../parts/pages.ts";
import { readingsOf } from "./readings.ts";

/** What became of looking for one thing that the text may be. */
export type Lookup = {
  /** What the text is taken for. "prefix": users whose ids begin with it. */
  readonly name: "account" | "entry" | "requestId" | "metadata" | "actor" | "prefix";
  /** What was looked for, as people write it. */
  readonly what: string;
  readonly state: "skipped" | "pending" | "found" | "none" | "failed";
  readonly accounts?: readonly Account[] | undefined;
  readonly entries?: readonly Entry[] | undefined;
  readonly error?: unknown;
  /** Of a search of the index. */
  readonly search?: Search | undefined;
};

type Search = {
  /** Undefined: the index is being built, if anything was answered. */
  readonly caughtUpTo: Timestamp | undefined;
  readonly more: More;
};

/** Whether the very thing was found, and not only what begins so. */
export function isHit({ name, state }: Lookup): boolean {
  return state === "found" && name !== "prefix";
}

/** Looks for all that a text may be at once: each is one cheap call. In the order to be shown. */
export function useLookups(text: string): readonly Lookup[] {
  const { may } = useSession();
  const { user, entry, requestId, metadata, actor } = readingsOf(text);
  const mayRead = may("points.read") || may("points.spend");
  const mayAudit = may("points.audit");
  const account = useQuery(
    PointsService.method.getAccount,
    mayRead && user !== undefined ? { userId: user } : skipToken,
  );
  const numbered = useQuery(
    PointsService.method.getEntry,
    mayRead && entry !== undefined
      ? { userId: entry.user, by: { case: "sequence", value: entry.sequence } }
      : skipToken,
  );
  const prefixed = useQuery(
    LedgerService.method.listAccounts,
    mayAudit && user !== undefined ? { userIdPrefix: user, pageSize: PREFIX_USERS + 1 } : skipToken,
  );
  const search = (by: SearchBy, isMeant: boolean) => (mayAudit && isMeant ? by : undefined);
  const byRequestId: SearchBy = { case: "requestId", value: requestId ?? "" };
  const byMetadata: SearchBy = { case: "metadata", value: metadata ?? {} };
  const byActor: SearchBy = { case: "actor", value: actor ?? "" };
  return [
    {
      name: "account",
      what: user ?? "",
      ...answerOf(account, ({ account: found }) => ({ accounts: found ? [found] : [] })),
    },
    {
      name: "entry",
      what: entry === undefined ? "" : `${isolated(entry.user)}#${entry.sequence}`,
      ...answerOf(numbered, ({ entry: found }) => ({ entries: found ? [found] : [] })),
    },
    {
      name: "requestId",
      what: requestId ?? "",
      ...useSearched(search(byRequestId, requestId !== undefined)),
    },
    {
      name: "metadata",
      what: metadata === undefined ? "" : `${isolated(metadata.key)}=${isolated(metadata.value)}`,
      ...useSearched(search(byMetadata, metadata !== undefined)),
    },
    { name: "actor", what: actor ?? "", ...useSearched(search(byActor, actor !== undefined)) },
    {
      name: "prefix",
      what: user ?? "",
      ...answerOf(prefixed, ({ accounts }) => ({
        accounts: accounts.filter(({ userId }) => userId !== user).slice(0, PREFIX_USERS),
      })),
    },
  ];
}

const PREFIX_USERS = 10;
const PAGE_ENTRIES = 20;

type SearchBy = NonNullable<MessageInitShape<typeof SearchEntriesRequestSchema>["by"]>;
type Answer = Omit<Lookup, "name" | "what">;

/** The entries that have something in common, page by page. */
function useSearched(by: SearchBy | undefined): Answer {
  const query = useInfiniteQuery(
    LedgerService.method.searchEntries,
    by === undefined ? skipToken : { by, pageSize: PAGE_ENTRIES, pageToken: "" },
    { ...BY_PAGES, ...READ_ONCE },
  );
  const more = moreOf(query);
  const answer = answerOf(query, ({ pages }) => ({
    entries: pages.flatMap((page) => page.entries),
  }));
  // A page may be empty though more follow.
  const isEmptySoFar = answer.state === "none" && more.hasMore;
  useMore(isEmptySoFar, more);
  const search = { caughtUpTo: query.data?.pages.at(-1)?.caughtUpTo, more };
  return { ...answer, search, state: isEmptySoFar && !more.mustAsk ? "pending" : answer.state };
}

function answerOf<Data>(
  query: {
    readonly data: Data | undefined;
    readonly error: unknown;
    readonly fetchStatus: string;
  },
  foundIn: (data: Data) => Pick<Lookup, "accounts" | "entries">,
): Answer {
  if (query.data !== undefined) {
    const found = foundIn(query.data);
    const { length } = found.accounts ?? found.entries ?? [];
    return length === 0 ? { state: "none" } : { state: "found", ...found };
  }
  if (query.error !== null) {
    const isNone = ConnectError.from(query.error).code === Code.NotFound;
    return isNone ? { state: "none" } : { state: "failed", error: query.error };
  }
  return { state: query.fetchStatus === "idle" ? "skipped" : "pending" };
}
