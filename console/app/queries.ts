import { equals } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { createConnectQueryKey } from "@connectrpc/connect-query";
import {
  type InfiniteData,
  matchQuery,
  type Query,
  QueryCache,
  QueryClient,
} from "@tanstack/react-query";
import {
  CallerInfoSchema,
  type GetLedgerResponse,
  LedgerService,
} from "../../gen/points/v1/ledger_pb.ts";

const RETRIES = 3;
const FRESH_MS = 5_000;

/** What the page has read. All reads may be repeated; only those that may succeed then are. */
export const queries = new QueryClient({
  queryCache: new QueryCache({
    // An answer stays beside the error of a later call. Not so where the server says that there is no
    // such thing (an erasure renames its account), or that the caller may not see it.
    onError(error, { state }) {
      if (state.data !== undefined && isGone(error)) forgetButLedger();
    },
  }),
  defaultOptions: {
    queries: {
      retry: (failures, error) => failures < RETRIES && isPassing(error),
      staleTime: FRESH_MS,
      // Without a network a question fails, and says so, rather than wait in silence.
      networkMode: "always",
      refetchOnReconnect: true,
    },
    mutations: { retry: false, networkMode: "always" },
  },
});

/** All that the server answered somebody; config.json is for everybody. */
const answers = { predicate: ({ queryKey }: Query) => queryKey[0] !== "config.json" };

const ledger = {
  queryKey: createConnectQueryKey({
    schema: LedgerService.method.getLedger,
    cardinality: undefined,
  }),
};

/** Forgets what one caller was answered, and shows nothing of it to the next. */
export function forgetAnswers(): void {
  void queries.resetQueries(answers);
}

/** Who has signed in stays known: without that, the screen would go, and all that is typed into it. */
function forgetButLedger(): void {
  const predicate = (query: Query) => answers.predicate(query) && !matchQuery(ledger, query);
  queries.removeQueries({ predicate, type: "inactive" });
  void queries.resetQueries({ predicate });
}

/**
 * Asks again for what is on the screen, which stays until the answers are there. Of what was read page
 * by page the first page alone: others are read again when somebody wants them.
 */
export function askAgain(): void {
  queries.removeQueries({ ...answers, type: "inactive" });
  queries.setQueriesData<unknown>(answers, firstPage);
  void queries.invalidateQueries(answers);
}

/**
 * Asks again after another token was given. What another caller was answered, or one with other rights,
 * is forgotten: the screen would show it beside the refusal.
 */
export async function askAgainAs(): Promise<void> {
  const [[key, before] = []] = queries.getQueriesData<GetLedgerResponse>(ledger);
  await queries.refetchQueries(ledger);
  const { data, error } = queries.getQueryState<GetLedgerResponse>(key ?? []) ?? {};
  // The token is not taken, and another one is asked for: nobody has come yet.
  if (error && ConnectError.from(error).code === Code.Unauthenticated) return;
  if (!error && isSameCaller(before, data)) askAgain();
  else forgetButLedger();
}

function isSameCaller(one: GetLedgerResponse | undefined, other: GetLedgerResponse | undefined) {
  if (one?.caller === undefined || other?.caller === undefined) return false;
  return one.ledgerId === other.ledgerId && equals(CallerInfoSchema, one.caller, other.caller);
}

function firstPage(data: unknown): unknown {
  if (typeof data !== "object" || data === null || !("pageParams" in data)) return data;
  const { pages, pageParams } = data as InfiniteData<unknown>;
  return { pages: pages.slice(0, 1), pageParams: pageParams.slice(0, 1) };
}

function isPassing(error: unknown): boolean {
  const { code } = ConnectError.from(error);
  return code === Code.Unavailable || code === Code.ResourceExhausted;
}

function isGone(error: unknown): boolean {
  const { code } = ConnectError.from(error);
  return code === Code.NotFound || code === Code.PermissionDenied;
}
