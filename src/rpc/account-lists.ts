import type { ServiceImpl } from "@connectrpc/connect";
import {
  type LedgerService,
  ListAccountsRequestSchema,
  ListExpiringRequestSchema,
} from "../../gen/points/v1/ledger_pb.ts";
import { callerKey } from "../auth/caller.ts";
import { prefixFor } from "../auth/rules.ts";
import { invalidField } from "../errors/api-error.ts";
import type { Micros } from "../ledger/time.ts";
import type { Run } from "../store/driver/transaction.ts";
import { listAccounts } from "../store/reads/list-accounts.ts";
import { listExpiring } from "../store/reads/list-expiring.ts";
import { readPageKey } from "../store/reads/page-key.ts";
import { toAccountMessage } from "./answers.ts";
import { USER_CURSOR } from "./page-cursors.ts";
import { pageSizeOf } from "./page-size.ts";
import { keyOnce, pageTokens } from "./page-token.ts";
import type { LedgerBackend } from "./ledger-backend.ts";
import { fromDuration, toTimestamp } from "./timestamps.ts";

type Handlers = Pick<ServiceImpl<typeof LedgerService>, "listAccounts" | "listExpiring">;

/** Handlers of the lists of accounts. They go through the users by keyset cursors. */
export function accountLists({ orm, laggingLists }: LedgerBackend): Handlers {
  const readPage = <Page>(read: (run: Run, now: Micros) => Promise<Page>) =>
    laggingLists.read(async ({ run, asOf }) => {
      return { page: await read(run, asOf), asOf: toTimestamp(asOf) };
    });
  const key = keyOnce(() => readPageKey(orm));
  const accountPages = pageTokens(ListAccountsRequestSchema, USER_CURSOR, key);
  const expiringPages = pageTokens(ListExpiringRequestSchema, USER_CURSOR, key);
  return {
    async listAccounts(request, { values }) {
      const userIdPrefix = prefixFor(values.get(callerKey), request.userIdPrefix);
      const after = await accountPages.read(request);
      const limit = pageSizeOf(request);
      const { page, asOf } = await readPage((run, now) =>
        listAccounts(run, { userIdPrefix, after, limit }, now),
      );
      const { accounts, next } = page;
      const nextPageToken = next === undefined ? "" : await accountPages.write(request, next);
      return { accounts: accounts.map(toAccountMessage), nextPageToken, asOf };
    },

    async listExpiring(request, { values }) {
      const userIdPrefix = prefixFor(values.get(callerKey), request.userIdPrefix);
      const after = await expiringPages.read(request);
      const within = request.within && fromDuration(request.within);
      if (!within) throw invalidField("within", "must be a valid duration, of 1 µs at least");
      const limit = pageSizeOf(request);
      const { page, asOf } = await readPage((run, now) =>
        listExpiring(run, { userIdPrefix, after, limit, within }, now),
      );
      const { expiring, next } = page;
      const nextPageToken = next === undefined ? "" : await expiringPages.write(request, next);
      const shown = expiring.map(({ userId, points, first }) => ({
        userId,
        points,
        firstTime: toTimestamp(first.time),
        firstPoints: first.points,
      }));
      return { expiring: shown, nextPageToken, asOf };
    },
  };
}
