import { sql } from "kysely";
import type { Account } from "../../ledger/account.ts";
import { KIND_NUMBERS } from "../../ledger/entry-kinds.ts";
import type { Lot } from "../../ledger/lot.ts";
import { quietAllowancesAt, untracedLots } from "../../ledger/past-allowances.ts";
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
 * @param firstAfter finds the number of the first entry from an instant on
 */
export async function loadUntracedLots(
  run: Run,
  account: Account,
  { instant, firstAfter }: { instant: Micros; firstAfter: (time: Micros) => Promise<bigint> },
): Promise<readonly Lot[]> {
  const { userId, sequence } = account;
  const settings = await run(sql<EntryRow>`
    select ${columnsOf(EntryEntity, "entry")} from entry
    where user_id = ${userId} and kind = ${SET_POLICY} and sequence <= ${sequence}::bigint
    order by sequence`);
  const allowances = quietAllowancesAt(settings.rows.map(toEntry), account, instant);
  if (allowances.length === 0) return [];
  const starts = allowances.map(({ next }) => next.time!);
  const first = await firstAfter(starts.reduce((a, b) => (b < a ? b : a)));
  const given = await run(sql<{ cause: string; create_time: string }>`
    select cause, create_time from entry
    where user_id = ${userId} and cause is not null
      and sequence between ${first}::bigint and ${sequence}::bigint`);
  const known = new Set(
    given.rows.map(({ cause, create_time }) => keyOf(cause, fromTimestamptz(create_time))),
  );
  const isGiven = (name: string, start: Micros) => known.has(keyOf(name, start));
  return allowances.flatMap((allowance) => untracedLots(allowance, instant, isGiven));
}

/** A literal, so that PostgreSQL finds the index of these entries alone. */
const SET_POLICY = sql.lit(KIND_NUMBERS.setPolicy);

function keyOf(name: string, start: Micros): string {
  return `${name} ${start}`;
}
