import { sql } from "kysely";
import type { Micros } from "../ledger/time.ts";

// Columns of many rows as PostgreSQL's arrays in their binary form, which neither side has to
// format or to parse. The driver sends a Buffer as it is.

/** A `text[]`: any text but NUL. */
export function texts<T>(rows: readonly T[], value: (row: T) => string | null) {
  return sql`${arrayOf(rows, value, TEXT)}::text[]`;
}

/**
 * A `bigint[]`.
 *
 * @throws {RangeError} if a value does not fit
 */
export function bigints<T>(rows: readonly T[], value: (row: T) => bigint | null) {
  return sql`${arrayOf(rows, value, BIGINT)}::bigint[]`;
}

/** A `numeric[]`, for sums that may pass what a bigint holds. */
export function numerics<T>(rows: readonly T[], value: (row: T) => bigint) {
  return sql`${texts(rows, (row) => String(value(row)))}::numeric[]`;
}

/**
 * A `smallint[]`.
 *
 * @throws {RangeError} if a value does not fit
 */
export function smallints<T>(rows: readonly T[], value: (row: T) => number) {
  return sql`${arrayOf(rows, value, SMALLINT)}::smallint[]`;
}

/**
 * A `timestamptz[]`.
 *
 * @throws {RangeError} if a value does not fit
 */
export function times<T>(rows: readonly T[], value: (row: T) => Micros | null) {
  return sql`${arrayOf(rows, value, TIMESTAMPTZ)}::timestamptz[]`;
}

/** A `bytea[]`. */
export function bytes<T>(rows: readonly T[], value: (row: T) => Uint8Array | null) {
  return sql`${arrayOf(rows, value, BYTEA)}::bytea[]`;
}

/** A lot, a hold or an entry, by its name: numbers are sequences. */
export type Name = { readonly userId: string; readonly number: bigint };

/** Names as two columns, for `unnest`. */
export function nameColumns(names: readonly Name[]) {
  return sql.join([texts(names, ({ userId }) => userId), bigints(names, ({ number }) => number)]);
}

/** How PostgreSQL's "recv" function of a type reads a value. */
type Type<V> = {
  /** Its number in pg_type, the same in every database. */
  readonly oid: number;
  sizeOf(value: V): number;
  /** @param view of the same bytes: a bigint costs it half of what it costs a Buffer */
  write(to: Buffer, view: DataView, at: number, value: V): void;
};

const TEXT: Type<string> = {
  oid: 25,
  sizeOf: (text) => Buffer.byteLength(text),
  write: (to, _, at, text) => void to.write(text, at),
};

const BIGINT: Type<bigint> = {
  oid: 20,
  sizeOf: () => 8,
  write: (_, view, at, value) => setBigint(view, at, value),
};

const SMALLINT: Type<number> = {
  oid: 21,
  sizeOf: () => 2,
  write: (to, _, at, value) => void to.writeInt16BE(value, at),
};

const EPOCH = 946_684_800_000_000n; // 2000-01-01, in microseconds since 1970

const TIMESTAMPTZ: Type<Micros> = {
  oid: 1184,
  sizeOf: () => 8,
  write: (_, view, at, micros) => setBigint(view, at, micros - EPOCH),
};

const BYTEA: Type<Uint8Array> = {
  oid: 17,
  sizeOf: ({ length }) => length,
  write: (to, _, at, bytea) => to.set(bytea, at),
};

const HEADER_BYTES = 20;
const LENGTH_BYTES = 4;
const NULL = -1;

/** An array as `array_recv` reads it: a header, then each element behind its length. */
function arrayOf<T, V>(rows: readonly T[], valueOf: (row: T) => V | null, type: Type<V>): Buffer {
  const values = rows.map(valueOf);
  const sizes = values.map((value) => (value === null ? NULL : type.sizeOf(value)));
  const elements = sizes.reduce((sum, size) => sum + LENGTH_BYTES + Math.max(size, 0), 0);
  const array = Buffer.allocUnsafe(HEADER_BYTES + elements);
  const view = new DataView(array.buffer, array.byteOffset, array.byteLength);
  view.setInt32(0, 1); // dimensions
  view.setInt32(4, 1); // there may be nulls
  view.setInt32(8, type.oid);
  view.setInt32(12, values.length);
  view.setInt32(16, 1); // the first one's index
  let at = HEADER_BYTES;
  for (const [index, value] of values.entries()) {
    view.setInt32(at, sizes[index]!);
    at += LENGTH_BYTES;
    if (value === null) continue;
    type.write(array, view, at, value);
    at += sizes[index]!;
  }
  return array;
}

/** A view would keep the last 64 bits of a value that does not fit: another value. */
function setBigint(view: DataView, at: number, value: bigint): void {
  if (BigInt.asIntN(64, value) !== value) throw new RangeError(`${value} is not of 64 bits`);
  view.setBigInt64(at, value);
}
