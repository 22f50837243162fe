import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";

/**
 * What the ledger took by itself right after an entry, from what that gave back: for a claim, or since
 * a lot's time was over.
 *
 * @param entries those of its instant, newest first
 * @returns undefined if they lack what came right after it
 */
export function followersOf(
  { sequence }: Entry,
  entries: readonly Entry[],
): readonly Entry[] | undefined {
  const bySequence = new Map(entries.map((entry) => [entry.sequence, entry]));
  if (!bySequence.has(sequence)) return undefined;
  const found: Entry[] = [];
  for (let next = sequence + 1n; ; next += 1n) {
    const entry = bySequence.get(next);
    if (entry === undefined || !isByItself(entry)) return found;
    found.push(entry);
  }
}

function isByItself({ kind, fromClaim, caller, requestId, actor }: Entry): boolean {
  if (caller !== "" || requestId !== "" || actor !== "") return false;
  return kind === EntryKind.EXPIRE || (kind === EntryKind.REVOKE && fromClaim);
}

/** The range of time that is an instant alone: the ledger's instants are whole microseconds. */
export function instantOf(time: Timestamp) {
  const isLast = time.nanos >= 999_999_000;
  const end = isLast
    ? { seconds: time.seconds + 1n, nanos: 0 }
    : { seconds: time.seconds, nanos: time.nanos + 1_000 };
  return { startTime: time, endTime: end };
}
