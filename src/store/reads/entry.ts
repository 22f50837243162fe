import { sql } from "kysely";
import type { Revocation } from "../../ledger/claim.ts";
import type { Entry } from "../../ledger/entry.ts";
import { toEntry } from "../batch/entries.ts";
import { columnsOf, EntryEntity, type EntryRow } from "../driver/entities.ts";
import type { Orm } from "../driver/orm.ts";

/** An entry, and what has become of it since: entries themselves never change. */
export type EntryNow = {
  readonly entry: Entry;
  /** Its account's. */
  readonly salt: Uint8Array;
  /** How many of its points have been refunded. */
  readonly refunded: bigint;
  /** What was revoked of the lot that it made. */
  readonly revocation: Revocation;
  /** The sequences of the entries that are about it, newest first, REFERRING_MAX at most. */
  readonly referring: readonly bigint[];
};

const REFERRING_MAX = 100;

/**
 * An entry by its sequence (a bigint), or by the id of the request that it answered (a text);
 * undefined if there is none.
 */
export async function readEntry(
  orm: Orm,
  userId: string,
  name: bigint | string,
): Promise<EntryNow | undefined> {
  const named = typeof name === "bigint" ? sql`${name}::bigint` : answering(userId, name);
  const { rows } = await sql<Row>`
    select ${columnsOf(EntryEntity, "entry")}, account.salt,
      coalesce(undone.refunded, 0) as refunded, coalesce(undone.revoked, 0) as revoked,
      coalesce(undone.claimed, 0) as claimed, array(
        select referring.sequence from entry as referring
        where referring.user_id = entry.user_id and referring.refers_to = entry.sequence
        order by referring.sequence desc limit ${REFERRING_MAX}
      ) as referring
    from entry join account using (user_id)
    left join undone on undone.user_id = entry.user_id and undone.sequence = entry.sequence
    where entry.user_id = ${userId} and entry.sequence = ${named}`.execute(
    orm.em.fork().getKysely(),
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  const { salt, refunded, revoked, claimed, referring } = row;
  return {
    entry: toEntry(row),
    salt,
    refunded: BigInt(refunded),
    revocation: { revoked: BigInt(revoked), claimed: BigInt(claimed) },
    referring: referring.map((sequence) => BigInt(sequence)),
  };
}

type Row = EntryRow & {
  readonly salt: Uint8Array;
  readonly refunded: string;
  readonly revoked: string;
  readonly claimed: string;
  readonly referring: readonly string[];
};

/** SQL for the sequence of the entry that answered a request: its own, or one that was due. */
function answering(userId: string, requestId: string) {
  return sql`coalesce(
    (select sequence from entry where user_id = ${userId} and request_id = ${requestId}),
    (select sequence from receipt
      where user_id = ${userId} and request_id = ${requestId} and made_entry))`;
}
