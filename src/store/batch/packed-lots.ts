import { type Lot, NO_SERVICES } from "../../ledger/lot.ts";

// The open lots that an account's row holds, as one column: bytes cost neither side a parser. The
// view open_lot shows them as rows. A lot is behind the length of what it has, so that a later
// version may add to it: 42 bytes, and only where it has a category or services the length of its
// category in a byte, the category, and the services, separated by spaces, which none has in its name.
// Numbers are big endian.

const LENGTH_BYTES = 2;
const LOT_BYTES = 42;
const CATEGORY_LENGTH_BYTES = 1;
/** The instant of a lot that never expires. */
const NEVER = 2n ** 63n - 1n;

/** Lots as the column has them. */
export function packLots(lots: readonly Lot[]): Uint8Array {
  const packed = Buffer.allocUnsafe(lots.reduce((sum, lot) => sum + packedBytesOf(lot), 0));
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  let at = 0;
  for (const lot of lots) {
    const bytes = packedBytesOf(lot);
    view.setUint16(at, bytes - LENGTH_BYTES);
    view.setBigInt64(at + 2, lot.number);
    view.setBigInt64(at + 10, lot.points);
    view.setBigInt64(at + 18, lot.remaining);
    view.setBigInt64(at + 26, lot.frozen);
    view.setInt16(at + 34, lot.priority);
    view.setBigInt64(at + 36, lot.expireTime ?? NEVER);
    if (hasWords(lot)) writeWords(packed, at + LENGTH_BYTES + LOT_BYTES, lot);
    at += bytes;
  }
  return packed;
}

/** How many bytes of the column a lot takes: 44, and at most 430. */
export function packedBytesOf(lot: Lot): number {
  if (!hasWords(lot)) return LENGTH_BYTES + LOT_BYTES;
  const words = Buffer.byteLength(lot.category) + Buffer.byteLength(lot.services.join(" "));
  return LENGTH_BYTES + LOT_BYTES + CATEGORY_LENGTH_BYTES + words;
}

/**
 * The lots that a column has.
 *
 * @throws if it has anything else
 */
export function unpackLots(packed: Uint8Array): readonly Lot[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const lots: Lot[] = [];
  let at = 0;
  while (at < packed.length) {
    const length = view.getUint16(at);
    const end = at + LENGTH_BYTES + length;
    if (length < LOT_BYTES || end > packed.length)
      throw new Error("a packed lot of another length");
    const expireTime = view.getBigInt64(at + 36);
    const words = length === LOT_BYTES ? NO_WORDS : readWords(packed, at + 2 + LOT_BYTES, end);
    lots.push({
      number: view.getBigInt64(at + 2),
      points: view.getBigInt64(at + 10),
      remaining: view.getBigInt64(at + 18),
      frozen: view.getBigInt64(at + 26),
      priority: view.getInt16(at + 34),
      expireTime: expireTime === NEVER ? null : expireTime,
      category: words.category,
      services: words.services,
    });
    at = end;
  }
  return lots;
}

type Words = Pick<Lot, "category" | "services">;

const NO_WORDS: Words = { category: "", services: NO_SERVICES };

function hasWords({ category, services }: Words): boolean {
  return category !== "" || services.length > 0;
}

function writeWords(to: Buffer, at: number, { category, services }: Words): void {
  const length = to.write(category, at + CATEGORY_LENGTH_BYTES);
  to.writeUInt8(length, at);
  to.write(services.join(" "), at + CATEGORY_LENGTH_BYTES + length);
}

function readWords(from: Uint8Array, at: number, end: number): Words {
  const bytes = Buffer.from(from.buffer, from.byteOffset, from.byteLength);
  const start = at + CATEGORY_LENGTH_BYTES;
  const middle = start + bytes.readUInt8(at);
  if (middle > end) throw new Error("a packed lot whose category is cut off");
  const services = bytes.toString("utf8", middle, end);
  return {
    category: bytes.toString("utf8", start, middle),
    services: services === "" ? NO_SERVICES : services.split(" "),
  };
}
