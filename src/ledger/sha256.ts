import { hash } from "node:crypto";

/**
 * SHA-256, 32 bytes, of bytes in a row. It comes as a text first: if Node gives it as bytes, they
 * are in a buffer of their own, and that costs three times as much, most of it when it is garbage.
 */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.from(hash("sha256", Buffer.concat(parts), "hex"), "hex");
}
