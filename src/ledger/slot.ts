import { createHash } from "node:crypto";

/**
 * The slot of an account, 0 to 1,023: the first 10 bits of MD5 of its user id, which PostgreSQL can
 * compute too. A range of slots is a part of the ledger that can be moved elsewhere.
 */
export function slotOf(userId: string): number {
  return createHash("md5").update(userId).digest().readUInt16BE(0) >> 6;
}
