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
import { requireSince } from "../store/reads/lagging.ts";
import { listAccounts } from "../store/reads/list-accounts.ts";
import { listExpiring } from "../store/reads/list-expiring.ts";
import { readPageKey } from "../store/reads/page-key.ts";
import { toAccountMessage } from "./answers.ts";
import { USER_CURSOR, withAsOf } from "./page-cursors.ts";
import { pageSizeOf } from "./page-size.ts";
import { keyOnce, pageTokens } from "./page-token.ts";
import type { LedgerBackend } from "./ledger-backend.ts";
import { fromDuration, toTimestamp } from "./timestamps.ts";

type Handlers = Pick<ServiceImpl<typeof LedgerService>, "listAccounts" | "listExpiring">;

const PLACE = withAsOf(USER_CURSOR);

/** Handlers of the lists of accounts. They go through the users by keyset cursors. */
export function accountLists({ orm, laggingLists }: LedgerBackend): Handlers {
  const readPage = <Page>(since: Micros, read: (run: Run, now: Micros) => Promise<Page>) =>
    laggingLists.read(async (reading) => {
      requireSince(reading, since);
      return { page: await read(reading.run, reading.asOf), asOf: reading.asOf };
    });
  const key = keyOnce(() => readPageKey(orm));
  const accountPages = pageTokens(ListAccountsRequestSchema, PLACE, key);
  const expiringPages = pageTokens(ListExpiringRequestSchema, PLACE, key);
  return {
    async listAccounts(request, { values }) {
      const userIdPrefix = prefixFor(values.get(callerKey), request.userIdPrefix);
      const place = await accountPages.read(request);
      const limit = pageSizeOf(request);
      const { page, asOf } = await readPage(place?.asOf ?? 0n, (run, now) =>
        listAccounts(run, { userIdPrefix, after: place?.key, limit }, now),
      );
      const { accounts, next } = page;
      const nextPageToken =
        next === undefined ? "" : await accountPages.write(request, { key: next, asOf });
      return { accounts: accounts.map(toAccountMessage), nextPageToken, asOf: toTimestamp(asOf) };
    },

    async listExpiring(request, { values }) {
      const userIdPrefix = prefixFor(values.get(callerKey), request.userIdPrefix);
      const place = await expiringPages.read(request);
      const within = request.within && fromDuration(request.within);
      if (!within) throw invalidField("within", "must be a valid duration, of 1 µs at least");
      const limit = pageSizeOf(request);
      const { page, asOf } = await readPage(place?.asOf ?? 0n, (run, now) =>
        listExpiring(run, { userIdPrefix, after: place?.key, limit, within }, now),
      );
      const { expiring, next } = page;
      const nextPageToken =
        next === undefined ? "" : await expiringPages.write(request, { key: next, asOf });
      const shown = expiring.map(({ userId, points, first }) => ({
        userId,
        points,
        firstTime: toTimestamp(first.time),
        firstPoints: first.points,
      }));
      return { expiring: shown, nextPageToken, asOf: toTimestamp(asOf) };
    },
  };
}
