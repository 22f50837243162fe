import type { Rejection } from "./rejection.ts";
import { type AccountState, recentEntry } from "./state.ts";

/**
 * Refuses a command if another entry has the number than the one that its caller means. After a
 * failover or a restore that lost the newest entries, their numbers are given again.
 *
 * If there is no such entry, it refuses nothing: the command is about a number that does not exist.
 *
 * @param sequence the hash of that entry is loaded if `needsOf` names it
 * @param expectedHash the hash of the entry that the caller means, 32 bytes; undefined: any
 */
export function entryChanged(
  state: AccountState,
  sequence: bigint,
  expectedHash: Uint8Array | undefined,
): Rejection | undefined {
  if (expectedHash === undefined) return undefined;
  const hash = state.hashes.get(sequence) ?? recentEntry(state, sequence)?.hash;
  if (hash === undefined || Buffer.compare(hash, expectedHash) === 0) return undefined;
  return {
    reason: "ENTRY_CHANGED",
    sequence,
    expectedHash: inHex(expectedHash),
    hash: inHex(hash),
  };
}

function inHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
