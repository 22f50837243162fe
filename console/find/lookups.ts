import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { skipToken, useInfiniteQuery, useQuery } from "@connectrpc/connect-query";
import { useEffect } from "react";
import type { Account, Entry } from "../../gen/points/v1/account_pb.ts";
import { LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { useSession } from "../app/session.tsx";
import { type Readings, readingsOf } from "./readings.ts";

/** What became of looking for one thing that the text may be. */
export type Lookup<Found> = {
  readonly state: "skipped" | "pending" | "found" | "none" | "failed";
  readonly found?: Found | undefined;
  readonly error?: unknown;
};

/** What a search of the index has found, and how to find more. */
export type Search = Lookup<readonly Entry[]> & {
  /** Undefined: the index is being built, if anything was answered. */
  readonly caughtUpTo: Timestamp | undefined;
  /** Asks for the next page. Undefined: these are all, or it is on its way. */
  readonly more: (() => void) | undefined;
};

/** All that a text may be, and what is there of it. */
export type Lookups = {
  readonly readings: Readings;
  readonly account: Lookup<Account>;
  readonly entry: Lookup<Entry>;
  readonly requestId: Search;
  readonly metadata: Search;
  readonly actor: Search;
  /** Users whose ids begin with the text. */
  readonly prefix: Lookup<readonly Account[]>;
};

/** Looks for all that a text may be at once: each is one cheap call. */
export function useLookups(text: string): Lookups {
  const { may } = useSession();
  const readings = readingsOf(text);
  const { user, entry, requestId, metadata, actor } = readings;
  const mayRead = may("points.read") || may("points.spend");
  const mayAudit = may("points.audit");
  const search = (by: SearchBy) => (mayAudit && by.value !== undefined ? by : undefined);
  const accountQuery = useQuery(
    PointsService.method.getAccount,
    mayRead && user !== undefined ? { userId: user } : skipToken,
  );
  const entryQuery = useQuery(
    PointsService.method.getEntry,
    mayRead && entry !== undefined
      ? { userId: entry.user, by: { case: "sequence", value: entry.sequence } }
      : skipToken,
  );
  const prefixQuery = useQuery(
    LedgerService.method.listAccounts,
    mayAudit && user !== undefined ? { userIdPrefix: user, pageSize: PREFIX_USERS + 1 } : skipToken,
  );
  return {
    readings,
    account: lookupOf(accountQuery, ({ account }) => account),
    entry: lookupOf(entryQuery, (answer) => answer.entry),
    requestId: useEntries(search({ case: "requestId", value: requestId })),
    metadata: useEntries(search({ case: "metadata", value: metadata })),
    actor: useEntries(search({ case: "actor", value: actor })),
    prefix: lookupOf(prefixQuery, ({ accounts }) => {
      const others = accounts.filter(({ userId }) => userId !== user).slice(0, PREFIX_USERS);
      return others.length === 0 ? undefined : others;
    }),
  };
}

const PREFIX_USERS = 10;
const PAGE_ENTRIES = 20;

type SearchBy =
  | { readonly case: "requestId" | "actor"; readonly value: string | undefined }
  | { readonly case: "metadata"; readonly value: Readings["metadata"] };

/** The entries that have something in common, page by page. */
function useEntries(by: SearchBy | undefined): Search {
  const query = useInfiniteQuery(
    LedgerService.method.searchEntries,
    by === undefined
      ? skipToken
      : { by: by as { case: "actor"; value: string }, pageSize: PAGE_ENTRIES, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: ({ nextPageToken }) => nextPageToken || null },
  );
  const entries = query.data?.pages.flatMap((page) => page.entries) ?? [];
  const { hasNextPage, isFetching, fetchNextPage } = query;
  // A page may be empty though more follow.
  const isEmptySoFar = entries.length === 0 && hasNextPage;
  useEffect(() => {
    if (isEmptySoFar && !isFetching) void fetchNextPage();
  }, [isEmptySoFar, isFetching, fetchNextPage]);
  const looked = lookupOf(query, () => (entries.length === 0 ? undefined : entries));
  return {
    ...looked,
    state: isEmptySoFar ? "pending" : looked.state,
    caughtUpTo: query.data?.pages.at(-1)?.caughtUpTo,
    more: hasNextPage && !isFetching ? () => void fetchNextPage() : undefined,
  };
}

function lookupOf<Answer, Found>(
  query: {
    readonly data: Answer | undefined;
    readonly error: unknown;
    readonly fetchStatus: string;
  },
  foundIn: (answer: Answer) => Found | undefined,
): Lookup<Found> {
  if (query.data !== undefined) {
    const found = foundIn(query.data);
    return { state: found === undefined ? "none" : "found", found };
  }
  if (query.error !== null) {
    const isNone = ConnectError.from(query.error).code === Code.NotFound;
    return isNone ? { state: "none" } : { state: "failed", error: query.error };
  }
  return { state: query.fetchStatus === "idle" ? "skipped" : "pending" };
}
