import type { Lot } from "../../ledger/lot.ts";

// The open lots that an account's row holds, as one column: bytes cost neither side a parser. The
// view open_lot shows them as rows. A lot is 42 bytes behind the length of what it has, so
// that a later version may add to it; numbers are big endian.

const LENGTH_BYTES = 2;
const LOT_BYTES = 42;
/** The instant of a lot that never expires. */
const NEVER = 2n ** 63n - 1n;

/** Lots as the column has them. */
export function packLots(lots: readonly Lot[]): Uint8Array {
  const packed = Buffer.allocUnsafe(lots.length * (LENGTH_BYTES + LOT_BYTES));
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  for (const [index, lot] of lots.entries()) {
    const at = index * (LENGTH_BYTES + LOT_BYTES);
    view.setUint16(at, LOT_BYTES);
    view.setBigInt64(at + 2, lot.number);
    view.setBigInt64(at + 10, lot.points);
    view.setBigInt64(at + 18, lot.remaining);
    view.setBigInt64(at + 26, lot.frozen);
    view.setInt16(at + 34, lot.priority);
    view.setBigInt64(at + 36, lot.expireTime ?? NEVER);
  }
  return packed;
}

/**
 * The lots that a column has.
 *
 * @throws if it has anything else
 */
export function unpackLots(packed: Uint8Array): readonly Lot[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const lots: Lot[] = [];
  for (let at = 0; at < packed.length; at += LENGTH_BYTES + LOT_BYTES) {
    if (view.getUint16(at) !== LOT_BYTES) throw new Error("a packed lot of another length");
    const expireTime = view.getBigInt64(at + 36);
    lots.push({
      number: view.getBigInt64(at + 2),
      points: view.getBigInt64(at + 10),
      remaining: view.getBigInt64(at + 18),
      frozen: view.getBigInt64(at + 26),
      priority: view.getInt16(at + 34),
      expireTime: expireTime === NEVER ? null : expireTime,
    });
  }
  return lots;
}
