import { sql } from "kysely";
import type { Run } from "../driver/transaction.ts";

/**
 * Takes a user's name from the largest accounts of the last scan. It waits for a scan that is being
 * saved (`saveOverview`), which by then may have named the account; one that is saved later finds that
 * there is none of the name. The lock is held to the end: take it last.
 */
export async function forgetInOverview(run: Run, userId: string): Promise<void> {
  await run(sql`select from overview where id = 1 for update`);
  await run(sql`
    update overview set largest = (
      select coalesce(jsonb_agg(one order by place), '[]')
      from jsonb_array_elements(largest) with ordinality as each (one, place)
      where one ->> 'userId' <> ${userId}::text
    )
    where id = 1 and largest @> jsonb_build_array(jsonb_build_object('userId', ${userId}::text))`);
}
