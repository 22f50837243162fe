import { type RawBuilder, sql } from "kysely";

/** Keys as an array, from a text: COMMIT is on its way, and nothing may fail to be converted. */
export function keysOf(searchKeys: readonly string[]): RawBuilder<unknown> {
  const json = JSON.stringify(searchKeys);
  return sql`array(select jsonb_array_elements_text(${json}::jsonb))`;
}
