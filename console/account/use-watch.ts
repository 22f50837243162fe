import type { DescMessage, DescMethodUnary } from "@bufbuild/protobuf";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectQueryKey, useTransport } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState, useSyncExternalStore } from "react";
import type { Account } from "../../gen/points/v1/account_pb.ts";
import { PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { useCredentials } from "../app/credentials.ts";
import { newerOf } from "./newer-of.ts";
import { paced } from "./paced.ts";
import { keepWatching, type WatchState } from "./watch.ts";

/** What is read again after a change: all that the screen shows but the figures. */
const READ_AGAIN = [
  keyOf(PointsService.method.getAccount),
  keyOf(PointsService.method.listLots),
  keyOf(PointsService.method.listHolds),
  keyOf(PointsService.method.getForecast),
  keyOf(PolicyService.method.listPolicies),
  keyOf(PointsService.method.quote),
];

/** An account as it was read, and as the stream has said since. */
export type Watched = { readonly account: Account; readonly state: WatchState };

/**
 * Follows an account while the screen is there and can be seen: a browser has six connections to a
 * server without TLS, and a page that nobody looks at would keep one of them.
 *
 * @param read the account before the stream says more; a later one takes its place
 * @param isAllowed whether the caller may watch
 */
export function useWatch(read: Account, isAllowed: boolean): Watched {
  const transport = useTransport();
  const queries = useQueryClient();
  const { token } = useCredentials();
  const isSeen = useSyncExternalStore(onVisibility, () => document.visibilityState !== "hidden");
  const { userId } = read;
  const [watched, setWatched] = useState<Watched>({ account: read, state: "connecting" });

  useEffect(() => {
    if (!isAllowed || !isSeen) return undefined;
    const stopped = new AbortController();
    const { signal } = stopped;
    const lists = paced(() => readAgain(queries), sleep, Date.now);
    // What the screen reads is read after this account, so that only another one makes it old.
    let known = read;
    const client = createClient(PointsService, transport);
    void keepWatching({
      open: () => client.watchAccount({ userId }, { signal }),
      onAccount(account) {
        if (!isSame(known, account)) lists.changed();
        known = account;
        setWatched((before) => ({ ...before, account }));
      },
      onState(state, error) {
        setWatched((before) => ({ ...before, state }));
        if (error?.code === Code.NotFound) lists.changed();
      },
      signal,
      sleep,
      nowMs: Date.now,
    });
    return () => {
      stopped.abort();
      lists.stop();
    };
    // `read` is where it begins: what is read later is not newer than the stream.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [userId, isAllowed, isSeen, token, transport, queries]);

  return {
    account: newerOf(read, watched.account),
    state: isAllowed ? watched.state : "ended",
  };
}

/** Reads all that is shown again; false if some of it was already being read. */
async function readAgain(queries: ReturnType<typeof useQueryClient>): Promise<boolean> {
  const isIdle = READ_AGAIN.every((queryKey) => queries.isFetching({ queryKey }) === 0);
  // A page of a list that somebody has just asked for must not be cancelled by this.
  const options = { cancelRefetch: false };
  await Promise.all(READ_AGAIN.map((queryKey) => queries.invalidateQueries({ queryKey }, options)));
  return isIdle;
}

function keyOf<I extends DescMessage, O extends DescMessage>(schema: DescMethodUnary<I, O>) {
  return createConnectQueryKey({ schema, cardinality: undefined });
}

/** What is due changes figures without an entry. */
function isSame(one: Account, other: Account): boolean {
  return (
    one.sequence === other.sequence &&
    one.balance === other.balance &&
    one.frozen === other.frozen &&
    one.debt === other.debt
  );
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function onVisibility(listener: () => void): () => void {
  document.addEventListener("visibilitychange", listener);
  return () => document.removeEventListener("visibilitychange", listener);
}
