import { sql } from "kysely";

// User ids have the characters from "!" to "~" (the contract's pattern), and compare by their bytes.
const AFTER_ALL = "\x7f";

/** A text behind all user ids that begin with a prefix, and before those that come after them. */
export function endOfPrefix(prefix: string): string {
  return `${prefix}${AFTER_ALL}`;
}

/** SQL: whether a column's user id begins with a prefix, as a range that an index can be searched by. */
export function beginsWith(column: string, prefix: string) {
  const id = sql.raw(column);
  return sql`(${id} >= ${prefix}::text and ${id} < ${endOfPrefix(prefix)}::text)`;
}
