import { type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import { rightAfter } from "../parts/right-after.ts";

/**
 * What the ledger took by itself right after an entry, from what that gave back: for a claim, or since
 * a lot's time was over.
 *
 * @param entries those of its instant
 * @returns undefined if they lack what came right after it
 */
export function followersOf(entry: Entry, entries: readonly Entry[]): readonly Entry[] | undefined {
  if (!entries.some(({ sequence }) => sequence === entry.sequence)) return undefined;
  return rightAfter(entry, entries, (next) => (isTaken(next) ? next : undefined));
}

function isTaken({ kind, fromClaim }: Entry): boolean {
  return kind === EntryKind.EXPIRE || (kind === EntryKind.REVOKE && fromClaim);
}
