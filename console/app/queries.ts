import { Code, ConnectError } from "@connectrpc/connect";
import { type Query, QueryClient } from "@tanstack/react-query";

const RETRIES = 3;
const FRESH_MS = 5_000;

/** What the page has read. All reads may be repeated; only those that may succeed then are. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, error) => failures < RETRIES && isPassing(error),
      staleTime: FRESH_MS,
    },
    mutations: { retry: false },
  },
});

/** All that the server answered somebody; config.json is for everybody. */
const answers = { predicate: ({ queryKey }: Query) => queryKey[0] !== "config.json" };

/** Forgets what one caller was answered, and shows nothing of it to the next. */
export function forgetAnswers(): void {
  void queries.resetQueries(answers);
}

/** Asks again for what is on the screen, which stays until the answers are there. */
export function askAgain(): void {
  queries.removeQueries({ ...answers, type: "inactive" });
  void queries.invalidateQueries(answers);
}

function isPassing(error: unknown): boolean {
  const { code } = ConnectError.from(error);
  return code === Code.Unavailable || code === Code.ResourceExhausted;
}
