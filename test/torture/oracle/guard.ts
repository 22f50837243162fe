import { refused, type Refused } from "./refusals.ts";
import type { Replayed } from "./replay.ts";

/**
 * The refusal if the entry with a number is another one than the caller means; none if there is no such
 * entry.
 *
 * @param expectedHash empty: any entry may have it
 */
export function entryChanged(
  { hashes }: Replayed,
  sequence: bigint,
  expectedHash: Uint8Array,
): Refused | undefined {
  const [expected, hash] = [inHex(expectedHash), inHex(hashes.get(sequence) ?? NONE)];
  if (expected === "" || hash === "" || expected === hash) return undefined;
  return refused("ENTRY_CHANGED", { sequence, expected_hash: expected, hash });
}

const NONE = new Uint8Array();

function inHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
