import { PageKeyEntity } from "../driver/entities.ts";
import type { Orm } from "../driver/orm.ts";

/** What all servers of this ledger sign page tokens with: 32 random bytes, made with the schema. */
export async function readPageKey(orm: Orm): Promise<Uint8Array> {
  const row = await orm.em.fork().findOne(PageKeyEntity, { id: 1 });
  if (row === null) throw new Error("points.page_key has no row");
  return row.key;
}
