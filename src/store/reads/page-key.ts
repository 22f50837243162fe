import { PageKeyEntity } from "../driver/entities.ts";
import type { Orm } from "../driver/orm.ts";

/**
 * The key by which all servers of this ledger sign page tokens, a page token being a keyset cursor:
 * 32 random bytes, made with the schema.
 *
 * @throws if the table has no row
 */
export async function readPageKey(orm: Orm): Promise<Uint8Array> {
  const row = await orm.em.fork().findOne(PageKeyEntity, { id: 1 });
  if (row === null) throw new Error("page_key has no row");
  return row.key;
}
