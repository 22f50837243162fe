import { sql } from "kysely";
import type { Account } from "../../ledger/account.ts";
import { KIND_NUMBERS } from "../../ledger/entry-kinds.ts";
import type { Lot } from "../../ledger/lot.ts";
import { type Given, quietAllowancesAt, untracedLots } from "../../ledger/past-allowances.ts";
import type { PolicyState } from "../../ledger/policy.ts";
import type { Micros } from "../../ledger/time.ts";
import { toEntry } from "../batch/entries.ts";
import { columnsOf, EntryEntity, type EntryRow } from "../driver/entities.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { Run } from "../driver/transaction.ts";

/**
 * The lots that a read at an instant of the past showed, and of which no entry tells, because their
 * points expired before somebody came: see `Mode`.
 *
 * @param account as its last entry up to then left it
 * @param policies as its row has them; none, if it has entries after the instant
 * @param firstAfter finds the number of the first entry from an instant on
 */
export async function loadUntracedLots(
  run: Run,
  account: Account,
  {
    instant,
    policies,
    firstAfter,
  }: {
    readonly instant: Micros;
    readonly policies: readonly PolicyState[];
    readonly firstAfter: (time: Micros) => Promise<bigint>;
  },
): Promise<readonly Lot[]> {
  const { userId, sequence } = account;
  const settings = await run(sql<EntryRow>`
    select ${columnsOf(EntryEntity, "entry")} from entry
    where user_id = ${userId} and kind = ${SET_POLICY} and sequence <= ${sequence}::bigint
    order by sequence`);
  const at = { instant, policies };
  const allowances = quietAllowancesAt(settings.rows.map(toEntry), account, at);
  if (allowances.length === 0) return [];
  const starts = allowances.map(({ next }) => next.time!);
  const first = await firstAfter(starts.reduce((a, b) => (b < a ? b : a)));
  const { rows } = await run(sql<GivenRow>`
    select sequence, cause, expire_time from entry
    where user_id = ${userId} and cause is not null
      and sequence between ${first}::bigint and ${sequence}::bigint`);
  const given = rows.map(toGiven);
  return allowances.flatMap((allowance) => untracedLots(allowance, instant, given));
}

/** A literal, so that PostgreSQL finds the index of these entries alone. */
const SET_POLICY = sql.lit(KIND_NUMBERS.setPolicy);

type GivenRow = {
  readonly sequence: string;
  readonly cause: string;
  readonly expire_time: string | null;
};

function toGiven({ sequence, cause, expire_time: time }: GivenRow): Given {
  const expireTime = time === null ? null : fromTimestamptz(time);
  return { sequence: BigInt(sequence), cause, expireTime };
}
