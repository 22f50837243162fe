import { Code, ConnectError } from "@connectrpc/connect";
import { QueryClient } from "@tanstack/react-query";

const RETRIES = 3;
const FRESH_MS = 5_000;

/** What the page has read. All reads may be repeated; only those that may succeed then are. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, error) => failures < RETRIES && isPassing(error),
      staleTime: FRESH_MS,
      refetchOnWindowFocus: true,
    },
    mutations: { retry: false },
  },
});

function isPassing(error: unknown): boolean {
  const { code } = ConnectError.from(error);
  return code === Code.Unavailable || code === Code.ResourceExhausted;
}
