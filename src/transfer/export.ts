import { toJsonString } from "@bufbuild/protobuf";
import { sql } from "kysely";
import { EntrySchema } from "../../gen/points/v1/account_pb.ts";
import { toEntryMessage } from "../rpc/answers.ts";
import { toEntry } from "../store/batch/entries.ts";
import type { EntryRow } from "../store/driver/entities.ts";
import type { Orm } from "../store/driver/orm.ts";
import { inLongSnapshot } from "../store/driver/transaction.ts";

const PAGE_ENTRIES = 2_000;

/**
 * Exports all entries as lines of protobuf's JSON, in order of user id and sequence, 2,000 at a time.
 * It reads one snapshot, with a keyset cursor, and locks and writes nothing: servers may be running.
 *
 * @param write gets the next lines, and the number of entries so far. Its end is awaited
 * @returns the number of entries
 */
export async function exportEntries(
  orm: Orm,
  write: (lines: string, entries: number) => Promise<void>,
): Promise<number> {
  return inLongSnapshot(orm, async (run) => {
    let entries = 0;
    let after: SaltedRow | undefined;
    do {
      const from =
        after === undefined
          ? sql`true`
          : sql`(user_id, sequence) > (${after.user_id}::text, ${after.sequence}::bigint)`;
      const { rows } = await run(sql<SaltedRow>`
        select page.*, coalesce(account.salt, '') as salt from (
          select * from entry where ${from}
          order by user_id, sequence limit ${PAGE_ENTRIES}
        ) as page left join account using (user_id)
        order by user_id, sequence`);
      entries += rows.length;
      if (rows.length > 0) await write(rows.map(lineOf).join(""), entries);
      after = rows.length < PAGE_ENTRIES ? undefined : rows.at(-1);
    } while (after !== undefined);
    return entries;
  });
}

type SaltedRow = EntryRow & { salt: Uint8Array };

function lineOf(row: SaltedRow): string {
  return `${toJsonString(EntrySchema, toEntryMessage(toEntry(row), row.salt))}\n`;
}
