import { sql } from "kysely";
import { keptDigestOf } from "../../ledger/digests.ts";
import type { NewIdentity } from "../../ledger/erase.ts";
import { requireRows } from "../batch/write.ts";
import { bigints, bytes, rowsOf, texts } from "../driver/columns.ts";
import type { EntryRow, ReceiptRow } from "../driver/entities.ts";
import type { Run } from "../driver/transaction.ts";
import type { NewMembers } from "./members.ts";
import { inPages, PAGE_ROWS } from "./pages.ts";
import { eraseTerms } from "./projected.ts";

/** Who is erased, and what is there instead. */
export type Erasure = {
  readonly from: NewIdentity;
  readonly to: NewIdentity;
  readonly members: NewMembers;
};

/**
 * Erases what is personal in an account's entries and in the index of them, and gives them its new
 * name. Of each the digest of what was personal is kept, by the old salt. Of an entry that was erased
 * before, it is kept already.
 *
 * @returns the number of entries
 */
export async function eraseEntries(run: Run, { from, to, members }: Erasure): Promise<number> {
  return inPages("0", async (after) => {
    const { rows } = await run(sql<PersonalRow & { sequence: string; policy: string | null }>`
      select sequence, request_id, metadata, actor, member, policy, personal_digest
      from entry where user_id = ${from.userId}::text and sequence > ${after}::bigint
      order by sequence limit ${sql.lit(PAGE_ROWS)}`);
    const last = rows.at(-1)?.sequence ?? after;
    await eraseTerms(run, { userId: from.userId, after, last });
    const erased = rowsOf({
      sequence: bigints(rows, ({ sequence }) => BigInt(sequence)),
      member: texts(rows, ({ member }) => members.of(member ?? "") || null),
      policy: texts(rows, ({ policy }) => (policy === null ? null : members.inPolicy(policy))),
      personal_digest: bytes(rows, (row) => digestOf(from, row)),
    });
    const update = sql`
      update entry set user_id = ${to.userId}::text, personal_digest = erased.personal_digest,
        request_id = null, metadata = null, actor = null, member = erased.member,
        policy = erased.policy
      from ${erased} as erased
      where entry.user_id = ${from.userId}::text and entry.sequence = erased.sequence
        and entry.sequence > ${after}::bigint and entry.sequence <= ${last}::bigint`;
    await run(requireRows(update, rows.length, "an entry of a locked account is gone"));
    return rows.map(({ sequence }) => sequence);
  });
}

/**
 * The same for its receipts, of which user and request are personal.
 *
 * @returns the number of receipts
 */
export async function eraseReceipts(run: Run, { from, to }: Erasure): Promise<number> {
  return inPages("0", async (after) => {
    const { rows } = await run(sql<Pick<ReceiptRow, "number" | "request_id" | "personal_digest">>`
      select number, request_id, personal_digest
      from receipt where user_id = ${from.userId}::text and number > ${after}::bigint
      order by number limit ${sql.lit(PAGE_ROWS)}`);
    const last = rows.at(-1)?.number ?? after;
    const erased = rowsOf({
      number: bigints(rows, ({ number }) => BigInt(number)),
      personal_digest: bytes(rows, (row) => digestOf(from, { ...NOTHING_SAID, ...row })),
    });
    const update = sql`
      update receipt set user_id = ${to.userId}::text, request_id = null,
        personal_digest = erased.personal_digest
      from ${erased} as erased
      where receipt.user_id = ${from.userId}::text and receipt.number = erased.number
        and receipt.number > ${after}::bigint and receipt.number <= ${last}::bigint`;
    await run(requireRows(update, rows.length, "a receipt of a locked account is gone"));
    return rows.map(({ number }) => number);
  });
}

type PersonalRow = Pick<
  EntryRow,
  "request_id" | "metadata" | "actor" | "member" | "personal_digest"
>;

const NOTHING_SAID = { metadata: null, actor: null, member: null };

function digestOf(
  { userId, salt }: NewIdentity,
  { request_id: id, metadata, actor, member, personal_digest: kept }: PersonalRow,
): Uint8Array {
  return keptDigestOf(salt, {
    userId,
    request: id === null ? undefined : { id },
    metadata: new Map(Object.entries(metadata ?? {})),
    actor: actor ?? "",
    member: member ?? "",
    ...(kept !== null && { personalDigest: kept }),
  });
}
