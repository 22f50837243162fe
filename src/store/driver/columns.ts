import { type RawBuilder, sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";

// Bulk parameters: each column of many rows is sent as one array in PostgreSQL's binary format, so
// that neither side formats or parses text. The driver sends a Buffer unchanged. In SQL a column is a
// set-returning expression with one value per row, and may be cast as such.

/** Columns by name, all of the same length. */
export type Columns = Readonly<Record<string, RawBuilder<unknown>>>;

/**
 * A subquery with a row for each index of these columns. It avoids `from unnest(...)`, for which
 * PostgreSQL first fills a tuplestore: a seventh of its work for a small batch.
 */
export function rowsOf(columns: Columns) {
  const named = Object.entries(columns).map(([name, column]) => sql`${column} as ${sql.raw(name)}`);
  return sql`(select ${sql.join(named)})`;
}

/** An insert of these columns' rows into a table of the ledger. */
export function insertInto(table: string, columns: Columns) {
  const names = Object.keys(columns).join(", ");
  return sql`insert into ${sql.raw(`${table} (${names})`)}
    select ${sql.join(Object.values(columns))}`;
}

/** Columns of what few rows have: a batch in which none has it leaves them out, and pays nothing. */
export function onlyIf(areNeeded: boolean, columns: () => Columns): Columns {
  return areNeeded ? columns() : {};
}

/** A column of type `text`. PostgreSQL refuses texts with a NUL. */
export function texts<T>(rows: readonly T[], value: (row: T) => string | null) {
  return sql`unnest(${arrayOf(rows.map(value), TEXT)}::text[])`;
}

/**
 * A column of type `text[]`; an empty list is null. It is sent as one text with spaces between, which
 * no item may have.
 */
export function textLists<T>(rows: readonly T[], value: (row: T) => readonly string[]) {
  return sql`string_to_array(${texts(rows, (row) => value(row).join(" ") || null)}, ' ')`;
}

/** A column of type `bigint[]`; an empty list is null. */
export function bigintLists<T>(rows: readonly T[], value: (row: T) => readonly bigint[]) {
  return sql`string_to_array(${texts(rows, (row) => value(row).join(" ") || null)}, ' ')::bigint[]`;
}

/**
 * A column of type `bigint`.
 *
 * @throws {RangeError} if a value does not fit
 */
export function bigints<T>(rows: readonly T[], value: (row: T) => bigint | null) {
  return sql`unnest(${arrayOf(rows.map(value), BIGINT)}::bigint[])`;
}

/**
 * A column of type `smallint`.
 *
 * @throws {RangeError} if a value does not fit
 */
export function smallints<T>(rows: readonly T[], value: (row: T) => number | null) {
  return sql`unnest(${arrayOf(rows.map(value), SMALLINT)}::smallint[])`;
}

/**
 * A column of type `timestamptz`.
 *
 * @throws {RangeError} if a value does not fit
 */
export function times<T>(rows: readonly T[], value: (row: T) => Micros | null) {
  return sql`unnest(${arrayOf(rows.map(value), TIMESTAMPTZ)}::timestamptz[])`;
}

/** A column of type `boolean`. */
export function booleans<T>(rows: readonly T[], value: (row: T) => boolean | null) {
  return sql`unnest(${arrayOf(rows.map(value), BOOLEAN)}::boolean[])`;
}

/** A column of type `bytea`. */
export function bytes<T>(rows: readonly T[], value: (row: T) => Uint8Array | null) {
  return sql`unnest(${arrayOf(rows.map(value), BYTEA)}::bytea[])`;
}

/** A column of type `tid`: where rows are. */
export function tids<T>(rows: readonly T[], value: (row: T) => string | undefined) {
  return sql`${texts(rows, (row) => value(row) ?? null)}::tid`;
}

/** The primary key of a lot, a hold or an entry: numbers are sequences. */
export type RowKey = { readonly userId: string; readonly number: bigint };

/** A key as one text, for use in maps. User ids have no spaces. */
export function textOfKey(userId: string, number: bigint | string): string {
  return `${userId} ${number}`;
}

/**
 * Rows of keys, each once, to select from.
 *
 * @param number the name of the number's column in the table
 */
export function rowsOfKeys(keys: readonly RowKey[], number: "number" | "sequence") {
  const byText = new Map(keys.map((key) => [textOfKey(key.userId, key.number), key]));
  const once = [...byText.values()];
  return rowsOf({
    user_id: texts(once, ({ userId }) => userId),
    [number]: bigints(once, (key) => key.number),
  });
}

/** A single value of type `text[]`. */
export function textArray(values: readonly (string | null)[]) {
  return sql`${arrayOf(values, TEXT)}::text[]`;
}

/** A single value of type `bigint[]`. */
export function bigintArray(values: readonly bigint[]) {
  return sql`${arrayOf(values, BIGINT)}::bigint[]`;
}

/** A type's binary format, as PostgreSQL's "recv" function reads it. */
type Type<V> = {
  /** Its OID in pg_type, the same in every database. */
  readonly oid: number;
  sizeOf(value: V): number;
  /**
   * @param view over the same bytes as `to`: it writes a bigint at half the cost of a Buffer
   * @returns the size in bytes
   */
  write(to: Buffer, view: DataView, at: number, value: V): number;
};

const TEXT: Type<string> = {
  oid: 25,
  sizeOf: (text) => Buffer.byteLength(text),
  write: (to, _, at, text) => to.write(text, at),
};

const BIGINT: Type<bigint> = {
  oid: 20,
  sizeOf: () => 8,
  write: (_, view, at, value) => writeBigint(view, at, value),
};

const SMALLINT: Type<number> = {
  oid: 21,
  sizeOf: () => 2,
  write(to, _, at, value) {
    to.writeInt16BE(value, at);
    return 2;
  },
};

const BOOLEAN: Type<boolean> = {
  oid: 16,
  sizeOf: () => 1,
  write(to, _, at, value) {
    to.writeUInt8(value ? 1 : 0, at);
    return 1;
  },
};

const EPOCH = 946_684_800_000_000n; // 2000-01-01, in microseconds since 1970

const TIMESTAMPTZ: Type<Micros> = {
  oid: 1184,
  sizeOf: () => 8,
  write: (_, view, at, micros) => writeBigint(view, at, micros - EPOCH),
};

const BYTEA: Type<Uint8Array> = {
  oid: 17,
  sizeOf: ({ length }) => length,
  write(to, _, at, bytea) {
    to.set(bytea, at);
    return bytea.length;
  },
};

const HEADER_BYTES = 20;
const LENGTH_BYTES = 4;
const NULL = -1;

/** An array as `array_recv` reads it: a header, then for each element its length and its bytes. */
function arrayOf<V>(values: readonly (V | null)[], type: Type<V>): Buffer {
  let length = HEADER_BYTES + values.length * LENGTH_BYTES;
  for (const value of values) length += value === null ? 0 : type.sizeOf(value);
  const array = Buffer.allocUnsafe(length);
  const view = new DataView(array.buffer, array.byteOffset, array.byteLength);
  view.setInt32(0, 1); // dimensions
  view.setInt32(4, 1); // there may be nulls
  view.setInt32(8, type.oid);
  view.setInt32(12, values.length);
  view.setInt32(16, 1); // the first one's index
  let at = HEADER_BYTES;
  for (const value of values) {
    const size = value === null ? NULL : type.write(array, view, at + LENGTH_BYTES, value);
    view.setInt32(at, size);
    at += LENGTH_BYTES + Math.max(size, 0);
  }
  return array;
}

/** A DataView would silently truncate a value to its last 64 bits: so the range is checked. */
function writeBigint(view: DataView, at: number, value: bigint): number {
  if (BigInt.asIntN(64, value) !== value) throw new RangeError(`${value} is not of 64 bits`);
  view.setBigInt64(at, value);
  return 8;
}
