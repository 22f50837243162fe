import { sql } from "kysely";
import { type RowKey, rowsOfKeys } from "../driver/columns.ts";
import type { EntryRow } from "../driver/entities.ts";
import type { Run } from "../driver/transaction.ts";
import { bySequence } from "./rows.ts";

/** The hashes of entries by sequence, by user id. */
export type Hashes = ReadonlyMap<string, ReadonlyMap<bigint, Uint8Array>>;

/** Loads the hashes of the entries of these keys that exist; a user without any is missing. */
export async function loadHashes(run: Run, named: readonly RowKey[]): Promise<Hashes> {
  if (named.length === 0) return new Map();
  const { rows } = await run(sql<Pick<EntryRow, "user_id" | "sequence" | "hash">>`
    select user_id, sequence, hash from ${rowsOfKeys(named, "sequence")} as named
    join entry using (user_id, sequence)`);
  return bySequence(rows, ({ hash }) => hash);
}
