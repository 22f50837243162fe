import { useEffect } from "react";

/**
 * How entries are read page by page: each page once, and from the first one again by whoever comes back.
 * Otherwise all pages would be read again one after another, 50 calls for 5,000 entries. Nobody changes
 * an entry but an erasure, after which there is no such account any more: then all is forgotten, see
 * queries.ts.
 */
export const READ_ONCE = { staleTime: Infinity, gcTime: 0, refetchOnWindowFocus: false } as const;

/** What there is beyond the pages that were read. */
export type More = {
  readonly hasMore: boolean;
  readonly isLoading: boolean;
  /** Only a person asks for the next page: the last call failed, or many pages had nothing in them. */
  readonly mustAsk: boolean;
  /** Null: the last call did not fail. */
  readonly error: unknown;
  readonly onMore: () => void;
};

/** After so many pages in a row without an entry, each of up to 5,000 that were looked through. */
const EMPTY_PAGES = 10;

/** @param query of entries, page by page */
export function moreOf({ data, error, hasNextPage, isFetching, fetchNextPage }: Pages): More {
  const pages = data?.pages ?? [];
  const empty = pages.length - 1 - pages.findLastIndex(({ entries }) => entries.length > 0);
  return {
    hasMore: hasNextPage,
    isLoading: isFetching,
    mustAsk: error !== null || (empty > 0 && empty % EMPTY_PAGES === 0),
    error,
    onMore: () => void fetchNextPage({ cancelRefetch: false }),
  };
}

type Pages = {
  readonly data:
    { readonly pages: readonly { readonly entries: readonly unknown[] }[] } | undefined;
  readonly error: unknown;
  readonly hasNextPage: boolean;
  readonly isFetching: boolean;
  readonly fetchNextPage: (options: { readonly cancelRefetch: false }) => unknown;
};

/**
 * Asks for the next page while something wants it, once a page.
 *
 * @param isWanted such as that nothing was found yet, or that somebody scrolls to the end
 */
export function useMore(isWanted: boolean, more: More | undefined): void {
  const isAsked =
    isWanted && more !== undefined && more.hasMore && !more.isLoading && !more.mustAsk;
  useEffect(() => {
    if (isAsked) more?.onMore();
    // Asked once: `isLoading` is true from then on, until the page is there or has failed.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [isAsked]);
}
