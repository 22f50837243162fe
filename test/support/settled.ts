import type { TestDatabase } from "./database.ts";
import { until } from "./processes.ts";

/**
 * Waits until no transaction under way can add an entry before those that there are. Transactions of
 * other tests count too, since the databases are in one PostgreSQL.
 */
export function untilSettled({ query }: TestDatabase): Promise<void> {
  return until("its entries are there for good", async () => {
    const [row] = await query(`
      select pg_snapshot_xmin(pg_current_snapshot())::text::bigint > coalesce(max(feed), 0) as settled
      from points.entry`);
    return row!["settled"] === true;
  });
}
