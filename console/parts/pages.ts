/** How a list goes on that is read page by page, for `useInfiniteQuery`. */
export const BY_PAGES = {
  pageParamKey: "pageToken",
  getNextPageParam: ({ nextPageToken }: { readonly nextPageToken: string }) =>
    nextPageToken || null,
} as const;
