import { sql } from "kysely";
import type { Revocation, Revocations } from "../../ledger/claim.ts";
import { type RowKey, rowsOfKeys } from "../driver/columns.ts";
import type { Run } from "../driver/transaction.ts";
import type { Rows } from "./rows.ts";

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
  const found = new Map<string, Map<bigint, Revocation>>();
  if (keys.length === 0) return found;
  const { rows } = await run(sql<RevokedRow>`
    select user_id, sequence, revoked, claimed
    from ${rowsOfKeys(keys, "sequence")} as named join undone using (user_id, sequence)
    where revoked > 0`);
  for (const row of rows) {
    const ofUser = found.get(row.user_id) ?? new Map<bigint, Revocation>();
    found.set(row.user_id, ofUser);
    ofUser.set(BigInt(row.sequence), {
      revoked: BigInt(row.revoked),
      claimed: BigInt(row.claimed),
    });
  }
  return found;
}

type RevokedRow = {
  readonly user_id: string;
  readonly sequence: string;
  readonly revoked: string;
  readonly claimed: string;
};
