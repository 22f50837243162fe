import { type RawBuilder, sql } from "kysely";
import type { Micros } from "../../ledger/time.ts";

// Columns of many rows, each sent as one array in PostgreSQL's binary form, which neither side has
// to format or to parse. The driver sends a Buffer as it is. In SQL a column is an expression that
// gives a value a row, and may be cast like one.

/** Columns by their names, all of the same number of rows. */
export type Columns = Readonly<Record<string, RawBuilder<unknown>>>;

/**
 * Rows of these columns, to select from. Not `from unnest(...)` of all their arrays: PostgreSQL
 * would first write each to a store of its own, which is a seventh of its work for a small batch.
 */
export function rowsOf(columns: Columns) {
  const named = Object.entries(columns).map(([name, column]) => sql`${column} as ${sql.raw(name)}`);
  return sql`(select ${sql.join(named)})`;
}

/** Inserts rows of these columns into a table of ours. */
export function insertInto(table: string, columns: Columns) {
  const names = Object.keys(columns).join(", ");
  return sql`insert into points.${sql.raw(`${table} (${names})`)}
    select ${sql.join(Object.values(columns))}`;
}

/** A column of type `text`: any text but NUL. */
export function texts<T>(rows: readonly T[], value: (row: T) => string | null) {
  return sql`unnest(${arrayOf(rows.map(value), TEXT)}::text[])`;
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
export function smallints<T>(rows: readonly T[], value: (row: T) => number) {
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
export function booleans<T>(rows: readonly T[], value: (row: T) => boolean) {
  return sql`unnest(${arrayOf(rows.map(value), BOOLEAN)}::boolean[])`;
}

/** A column of type `bytea`. */
export function bytes<T>(rows: readonly T[], value: (row: T) => Uint8Array | null) {
  return sql`unnest(${arrayOf(rows.map(value), BYTEA)}::bytea[])`;
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

/** How PostgreSQL's "recv" function of a type reads a value. */
type Type<V> = {
  /** Its number in pg_type, the same in every database. */
  readonly oid: number;
  sizeOf(value: V): number;
  /**
   * @param view of the same bytes: a bigint costs it half of what it costs a Buffer
   * @returns its size
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

/** An array as `array_recv` reads it: a header, then each element behind its length. */
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

/** A view would keep the last 64 bits of a value that does not fit: another value. */
function writeBigint(view: DataView, at: number, value: bigint): number {
  if (BigInt.asIntN(64, value) !== value) throw new RangeError(`${value} is not of 64 bits`);
  view.setBigInt64(at, value);
  return 8;
}
