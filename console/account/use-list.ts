import type { DescMethodUnary } from "@bufbuild/protobuf";
import { type CallOptions, type Client, createClient } from "@connectrpc/connect";
import { createConnectQueryKey, useTransport } from "@connectrpc/connect-query";
import { useInfiniteQuery } from "@tanstack/react-query";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { seenOf } from "../app/seen.ts";

type Points = Client<typeof PointsService>;

/** What a page is asked for by, beside what all pages of the list have. */
type At = { readonly pageToken: string; readonly minSequence: bigint };

/**
 * A list of an account, page by page, and never older than the account that the page has seen: it is
 * read again after a change, which a standby may not have yet.
 *
 * @param method the RPC, by which the list is read again
 * @param read asks for a page
 */
export function useList<Page extends { readonly nextPageToken: string }>(
  method: DescMethodUnary,
  user: string,
  read: (points: Points, at: At, options: CallOptions) => Promise<Page>,
) {
  const transport = useTransport();
  return useInfiniteQuery({
    queryKey: [
      ...createConnectQueryKey({ schema: method, transport, cardinality: "infinite" }),
      user,
    ],
    queryFn: async ({ pageParam, signal }) => {
      // A token goes with all else of its request, so the first page decides.
      const at: At = pageParam ?? { pageToken: "", minSequence: seenOf(user) };
      const page = await read(createClient(PointsService, transport), at, { signal });
      return { ...page, minSequence: at.minSequence };
    },
    initialPageParam: undefined as At | undefined,
    getNextPageParam: ({ nextPageToken: pageToken, minSequence }) =>
      pageToken === "" ? null : { pageToken, minSequence },
  });
}
