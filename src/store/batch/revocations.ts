import { sql } from "kysely";
import type { Revocations } from "../../ledger/claim.ts";
import { type RowKey, rowsOfKeys } from "../driver/columns.ts";
import type { Run } from "../driver/transaction.ts";
import { bySequence, type Rows } from "./rows.ts";

/** Lots of which a batch has to know what was revoked. */
type Asked = {
  /** Lots to which points may come back: only an open claim on them matters. */
  readonly named: readonly RowKey[];
  /** Lots of which commands revoke points. */
  readonly revoked: readonly RowKey[];
};

/**
 * Loads what was revoked of lots, by user id. Of accounts without an open claim it reads nothing but
 * the lots that commands revoke.
 */
export async function loadRevocations(
  run: Run,
  places: Rows["accounts"],
  { named, revoked }: Asked,
): Promise<ReadonlyMap<string, Revocations>> {
  const claimed = named.filter(({ userId }) => places.get(userId)!.openClaims > 0);
  const keys = [...claimed, ...revoked];
  if (keys.length === 0) return new Map();
  const { rows } = await run(sql<RevokedRow>`
    select user_id, sequence, revoked, claimed
    from ${rowsOfKeys(keys, "sequence")} as named join undone using (user_id, sequence)
    where revoked > 0`);
  return bySequence(rows, (row) => ({
    revoked: BigInt(row.revoked),
    claimed: BigInt(row.claimed),
  }));
}

type RevokedRow = {
  readonly user_id: string;
  readonly sequence: string;
  readonly revoked: string;
  readonly claimed: string;
};
