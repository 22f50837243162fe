import { sql } from "kysely";
import { OverviewEntity } from "../driver/built-entities.ts";
import type { Orm } from "../driver/orm.ts";
import {
  type HeldSums,
  type HeldSumsText,
  type Overview,
  largeOfText,
  sumsOfText,
} from "./overview-text.ts";

/** What the last scan over all accounts has found; undefined: there was none yet. */
export async function readOverview(orm: Orm): Promise<Overview | undefined> {
  const row = await orm.em.fork().findOneOrFail(OverviewEntity, { id: 1 });
  const { asOf, endTime, sums, largest } = row;
  if (!asOf || !endTime || !sums || !largest) return undefined;
  return { asOf, endTime, sums: sumsOfText(sums), largest: largest.map(largeOfText) };
}

/**
 * The sums of the last scan, and for how many seconds they have been so: NaN if the clock was set back
 * before it; undefined: none yet.
 */
export async function readHeldSums(
  orm: Orm,
): Promise<{ readonly sums: HeldSums; readonly ageSeconds: number } | undefined> {
  const { rows } = await sql<{ sums: HeldSumsText; seconds: string }>`
    select sums, extract(epoch from statement_timestamp() - as_of) as seconds
    from overview where id = 1 and sums is not null`.execute(orm.em.fork().getKysely());
  const [row] = rows;
  if (row === undefined) return undefined;
  const age = Number(row.seconds);
  return { sums: sumsOfText(row.sums), ageSeconds: age < 0 ? Number.NaN : age };
}
