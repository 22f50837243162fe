import { type RawBuilder, sql } from "kysely";
import type { Account } from "../ledger/account.ts";
import type { Lot } from "../ledger/lot.ts";
import type { PolicyState } from "../ledger/policy.ts";
import type { Micros } from "../ledger/time.ts";
import { toAccount } from "../store/batch/accounts.ts";
import { unpackLots } from "../store/batch/packed-lots.ts";
import type { LotsBeyond } from "../store/batch/placement.ts";
import { toPolicies } from "../store/batch/policies.ts";
import type { AccountRow, PolicyRow } from "../store/driver/entities.ts";
import { fromTimestamptz } from "../store/driver/instant.ts";
import type { Run } from "../store/driver/transaction.ts";
import type { StreamPlace } from "./epochs.ts";

/** A range of accounts: of these users, or of all with `after` < user id <= `upTo`. */
export type Span =
  | { readonly userIds: readonly string[] }
  | { readonly after: string | undefined; readonly upTo: string | undefined };

/** An account's row. */
export type ReadAccount = {
  readonly userId: string;
  /** Undefined if it cannot be read. */
  readonly account: Account | undefined;
  readonly salt: Uint8Array;
  /** The number of its receipts, by the row. */
  readonly receipts: bigint;
  /** The row's clock: nothing may fall due before; undefined: it cannot be read. */
  readonly dueTime: Micros | null | undefined;
  /** The place of its last entry in the stream of all entries, by the row. */
  readonly place: StreamPlace;
  /** The number of its open holds, by the row. */
  readonly openHolds: number;
  /** The number of its lots with an open claim, by the row. */
  readonly openClaims: number;
  /** The latest expiry of the lots that repaid debt, by the row; undefined: it cannot be read. */
  readonly repaidUntil: Micros | null | undefined;
  /** The number of its policies, by the row. */
  readonly policyCount: number;
  /** Its policies, by their own rows; undefined: they cannot be read. */
  readonly policies: readonly PolicyState[] | undefined;
  /** The lots that it holds. */
  readonly lots: readonly Lot[];
  /** The number and the sums of its lots in the table, by the row. */
  readonly beyond: LotsBeyond;
  /** Whether it keeps the digest of a name that was erased. */
  readonly hasNameDigest: boolean;
};

/** Accounts' rows, in order of user id. */
export async function readAccounts(
  run: Run,
  span: Span,
  limit: number,
): Promise<readonly ReadAccount[]> {
  const { rows } = await run(sql<AccountRow>`
    select * from account where ${within(span)} order by user_id limit ${limit}`);
  const policies = await run(sql<PolicyRow>`
    select * from policy where user_id = any(${rows.map((row) => row.user_id)}::text[])`);
  const policiesOf = Map.groupBy(policies.rows, (row) => row.user_id);
  return rows.map((row) => ({
    policyCount: row.policies,
    policies: readable(() => toPolicies(policiesOf.get(row.user_id) ?? [])),
    ...readLots(row),
    userId: row.user_id,
    salt: row.salt,
    receipts: BigInt(row.receipts),
    dueTime: readable(() => nullable(row.due_time)),
    place: { epoch: row.feed_epoch, feed: BigInt(row.feed) },
    openHolds: row.open_holds,
    openClaims: row.open_claims,
    hasNameDigest: row.name_digest !== null,
    repaidUntil: readable(() => nullable(row.repaid_until)),
    beyond: {
      count: row.lots_beyond,
      remaining: BigInt(row.beyond_remaining),
      frozen: BigInt(row.beyond_frozen),
      scoped: BigInt(row.beyond_scoped),
    },
  }));
}

function nullable(time: string | null): Micros | null {
  return time === null ? null : fromTimestamptz(time);
}

function readLots(row: AccountRow): Pick<ReadAccount, "account" | "lots"> {
  const read = readable(() => ({ account: toAccount(row), lots: unpackLots(row.lots) }));
  return read ?? { account: undefined, lots: [] };
}

/** SQL for the rows of a span. */
export function within(span: Span): RawBuilder<unknown> {
  if ("userIds" in span) return sql`user_id = any(${span.userIds}::text[])`;
  const { after, upTo } = span;
  const from = after === undefined ? sql`true` : sql`user_id > ${after}`;
  return upTo === undefined ? from : sql`${from} and user_id <= ${upTo}`;
}

/** A row's content; undefined if it has values that no row may have, such as an infinite time. */
export function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
