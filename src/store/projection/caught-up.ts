import { sql } from "kysely";

// A table that is emptied (TRUNCATE) is empty in older snapshots, too, in which `projection` still says
// how far it is built: in that of a reader, or of a dump that began before, and so in what is restored
// from it. The marker, a row that is written with whatever comes next, is missing there as well.

/** Makes the marker: a sum that is of no time, and that nothing adds up. */
export const MARK = sql`
  insert into entry_sum values ('', -1, 0, '', '', '', '', 0, 0, 0, 0, 0)`;

/** Whether the index and the sums have what `projection` says. */
export const IS_MARKED = sql`exists (
  select from entry_sum where entry_sum.user_id = '' and entry_sum.bucket = -1)`;

// A standby's clock may be behind the primary's, by which it has the time of the last commit.
const NOW = sql`case when pg_is_in_recovery() then pg_last_xact_replay_timestamp()
  else clock_timestamp() end`;

/**
 * All that was committed before is in the index and the sums; null: they are being built. A time that
 * is still to come was that of a clock which was set back since, and would be untrue.
 */
export const CAUGHT_UP_TO = sql`
  case when caught_up_to <= ${NOW} and ${IS_MARKED} then caught_up_to end`;
