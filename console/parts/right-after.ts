import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Entry } from "../../gen/points/v1/account_pb.ts";

/**
 * The entries that the ledger made by itself right after an entry, in their order, as long as each is
 * read as something.
 *
 * @param entries those of its instant, in any order
 * @param read gives undefined for an entry that does not belong to them, such as another's
 */
export function rightAfter<Read>(
  { sequence }: Entry,
  entries: readonly Entry[],
  read: (entry: Entry) => Read | undefined,
): readonly Read[] {
  const bySequence = new Map(entries.map((entry) => [entry.sequence, entry]));
  const found: Read[] = [];
  for (let next = sequence + 1n; ; next += 1n) {
    const entry = bySequence.get(next);
    const one = entry === undefined || isAskedFor(entry) ? undefined : read(entry);
    if (one === undefined) return found;
    found.push(one);
  }
}

function isAskedFor({ caller, requestId, actor }: Entry): boolean {
  return caller !== "" || requestId !== "" || actor !== "";
}

/** The range of time that is an instant alone: the ledger's instants are whole microseconds. */
export function instantOf(time: Timestamp) {
  const isLast = time.nanos >= 999_999_000;
  const end = isLast
    ? { seconds: time.seconds + 1n, nanos: 0 }
    : { seconds: time.seconds, nanos: time.nanos + 1_000 };
  return { startTime: time, endTime: end };
}
