import { hash } from "node:crypto";

/**
 * SHA-256, 32 bytes, of the parts one after the other. It goes through hexadecimal text: if Node
 * gives bytes, they have a buffer of their own, which costs three times as much, most of it in
 * garbage collection.
 */
export function sha256(...parts: readonly Uint8Array[]): Buffer {
  const all = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  return Buffer.from(hash("sha256", all, "hex"), "hex");
}
