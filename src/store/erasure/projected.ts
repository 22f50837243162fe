import { sql } from "kysely";
import { requireRows } from "../batch/write.ts";
import { bigints, rowsOf, smallints, texts } from "../driver/columns.ts";
import type { EntrySumEntity } from "../driver/built-entities.ts";
import type { RowOf } from "../driver/entities.ts";
import type { Run } from "../driver/transaction.ts";
import { DAY } from "../projection/bucket.ts";
import { termsOf } from "../projection/terms.ts";
import { inPages, PAGE_ROWS } from "./pages.ts";
import type { Erasure } from "./personal.ts";

/** Entries of a user, by their sequences. */
type Span = { readonly userId: string; readonly after: string; readonly last: string };

/**
 * Takes entries out of the index, while they still say by what they are in it. All pairs of metadata are
 * looked for: of which keys they are may have changed.
 */
export async function eraseTerms(run: Run, { userId, after, last }: Span): Promise<void> {
  await run(sql`
    with erased as materialized (
      select create_time, sequence, request_id, actor, metadata, ${DAY} as day
      from entry where user_id = ${userId}::text and sequence > ${after}::bigint
        and sequence <= ${last}::bigint and num_nonnulls(request_id, actor, metadata) > 0
    ), said as (${termsOf("erased", sql`jsonb_each_text(metadata)`)})
    delete from search_term using said
    where search_term.day = said.day and search_term.term = said.term
      and search_term.create_time = said.create_time and search_term.user_id = ${userId}::text
      and search_term.sequence = said.sequence`);
}

/** Gives the sums of a user, and of its members, their new names. */
export async function renameSums(run: Run, { from, to, members }: Erasure): Promise<void> {
  await inPages(FIRST, async (after) => {
    const { rows } = await run(sql<SumKey>`
      select bucket, kind, service, caller, category, member from entry_sum
      where user_id = ${from.userId}::text and (bucket, kind, service, caller, category, member)
        > (${after.bucket}::integer, ${after.kind}::smallint, ${after.service}::text,
          ${after.caller}::text, ${after.category}::text, ${after.member}::text)
      order by bucket, kind, service, caller, category, member limit ${sql.lit(PAGE_ROWS)}`);
    const last = rows.at(-1) ?? after;
    const renamed = rowsOf({
      bucket: bigints(rows, ({ bucket }) => BigInt(bucket)),
      kind: smallints(rows, ({ kind }) => kind),
      service: texts(rows, ({ service }) => service),
      caller: texts(rows, ({ caller }) => caller),
      category: texts(rows, ({ category }) => category),
      member: texts(rows, ({ member }) => member),
      name: texts(rows, ({ member }) => members.of(member)),
    });
    const update = sql`
      update entry_sum as kept set user_id = ${to.userId}::text, member = renamed.name
      from ${renamed} as renamed
      where kept.user_id = ${from.userId}::text and kept.bucket = renamed.bucket
        and kept.kind = renamed.kind and kept.service = renamed.service
        and kept.caller = renamed.caller and kept.category = renamed.category
        and kept.member = renamed.member
        and kept.bucket >= ${after.bucket}::integer and kept.bucket <= ${last.bucket}::integer`;
    await run(requireRows(update, rows.length, "a sum of a locked account is gone"));
    return rows;
  });
}

type SumKey = Pick<
  RowOf<typeof EntrySumEntity>,
  "bucket" | "kind" | "service" | "caller" | "category" | "member"
>;

const FIRST: SumKey = { bucket: -1, kind: 0, service: "", caller: "", category: "", member: "" };
