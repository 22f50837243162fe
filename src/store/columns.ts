import { sql } from "kysely";
import type { Micros } from "../ledger/time.ts";
import { toTimestamptz } from "./instant.ts";

// Columns of many rows as PostgreSQL's arrays, in its text form: "{1,2,NULL}". The driver makes the
// same of a JavaScript array, but looks at each value to see what it is.

/** A `text[]`: any text but NUL. */
export function texts<T>(rows: readonly T[], value: (row: T) => string | null) {
  return sql`${literal(rows, (row) => quoted(value(row)))}::text[]`;
}

/** A `bigint[]`. */
export function bigints<T>(rows: readonly T[], value: (row: T) => bigint | null) {
  return sql`${literal(rows, value)}::bigint[]`;
}

/** A `numeric[]`, for sums that may pass what a bigint holds. */
export function numerics<T>(rows: readonly T[], value: (row: T) => bigint) {
  return sql`${literal(rows, value)}::numeric[]`;
}

/** A `smallint[]`. */
export function smallints<T>(rows: readonly T[], value: (row: T) => number) {
  return sql`${literal(rows, value)}::smallint[]`;
}

/** A `timestamptz[]`. */
export function times<T>(rows: readonly T[], value: (row: T) => Micros | null) {
  const text = (time: Micros | null) => (time === null ? null : toTimestamptz(time));
  return sql`${literal(rows, (row) => text(value(row)))}::timestamptz[]`;
}

/** A `bytea[]`. */
export function bytes<T>(rows: readonly T[], value: (row: T) => Uint8Array | null) {
  const hex = (bytea: Uint8Array | null) => (bytea === null ? null : `"\\\\x${hexOf(bytea)}"`);
  return sql`${literal(rows, (row) => hex(value(row)))}::bytea[]`;
}

/** A lot, a hold or an entry, by its name: numbers are sequences. */
export type Name = { readonly userId: string; readonly number: bigint };

/** Names as two columns, for `unnest`. */
export function nameColumns(names: readonly Name[]) {
  return sql.join([texts(names, ({ userId }) => userId), bigints(names, ({ number }) => number)]);
}

function literal<T>(
  rows: readonly T[],
  element: (row: T) => string | bigint | number | null,
): string {
  return `{${rows.map((row) => element(row) ?? "NULL").join()}}`;
}

function quoted(text: string | null): string | null {
  return text === null ? null : `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}

function hexOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("hex");
}
