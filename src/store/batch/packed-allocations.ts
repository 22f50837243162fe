import type { Allocation } from "../../ledger/lot.ts";

// The allocations of an entry or a hold, as one column. A byte says how many bytes each lot's number
// has (its upper half) and how many each lot's points have (its lower half); then come all lots with
// their points, big endian. A charge of one lot takes 3 to 8 bytes, two arrays of bigint take 58. All
// allocations of a row have the same width, so that SQL finds the last without reading the first:
// unpack_allocations makes rows of them.

const WIDTHS_BYTES = 1;
const NUMBER_MAX_BYTES = 6;
const BIGINT_BYTES = 8;

/** Allocations as the column has them; null: none. Lots and points are at least 0. */
export function packAllocations(allocations: readonly Allocation[]): Uint8Array | null {
  if (allocations.length === 0) return null;
  let [maxLot, maxPoints] = [0n, 0n];
  for (const { lot, points } of allocations) {
    if (lot > maxLot) maxLot = lot;
    if (points > maxPoints) maxPoints = points;
  }
  const [lotBytes, pointsBytes] = [widthOf(maxLot), widthOf(maxPoints)];
  const packed = Buffer.allocUnsafe(WIDTHS_BYTES + allocations.length * (lotBytes + pointsBytes));
  packed[0] = (lotBytes << 4) | pointsBytes;
  let at = WIDTHS_BYTES;
  for (const { lot, points } of allocations) {
    write(packed, at, lotBytes, lot);
    write(packed, at + lotBytes, pointsBytes, points);
    at += lotBytes + pointsBytes;
  }
  return packed;
}

/**
 * The allocations that a column has.
 *
 * @throws if it has anything else
 */
export function unpackAllocations(packed: Uint8Array | null): readonly Allocation[] {
  if (packed === null) return [];
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength);
  const widths = bytes[0] ?? 0;
  const [lotBytes, pointsBytes] = [widths >> 4, widths & 15];
  const size = lotBytes + pointsBytes;
  const isWhole = bytes.length > WIDTHS_BYTES && (bytes.length - WIDTHS_BYTES) % size === 0;
  if (!isWidth(lotBytes) || !isWidth(pointsBytes) || !isWhole) {
    throw new Error("packed allocations of another form");
  }
  const allocations: Allocation[] = [];
  for (let at = WIDTHS_BYTES; at < bytes.length; at += size) {
    const lot = read(bytes, at, lotBytes);
    allocations.push({ lot, points: read(bytes, at + lotBytes, pointsBytes) });
  }
  return allocations;
}

/** The least width of a value. A Buffer reads up to six bytes as a number: those are cheap. */
function widthOf(value: bigint): number {
  let width = 1;
  for (let limit = 256n; value >= limit && width < NUMBER_MAX_BYTES; limit <<= 8n) width += 1;
  return value < 2n ** 48n ? width : BIGINT_BYTES;
}

function isWidth(bytes: number): boolean {
  return (bytes >= 1 && bytes <= NUMBER_MAX_BYTES) || bytes === BIGINT_BYTES;
}

function write(to: Buffer, at: number, bytes: number, value: bigint): void {
  if (bytes === BIGINT_BYTES) to.writeBigInt64BE(value, at);
  else to.writeUIntBE(Number(value), at, bytes);
}

function read(from: Buffer, at: number, bytes: number): bigint {
  return bytes === BIGINT_BYTES ? from.readBigInt64BE(at) : BigInt(from.readUIntBE(at, bytes));
}
