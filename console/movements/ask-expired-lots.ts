import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import { type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import type { PointsService } from "../../gen/points/v1/points_pb.ts";
import type { Range } from "./range.ts";

/** What expired of a lot at once. */
export type ExpiredLot = {
  readonly lot: bigint;
  /** How many points had not been used. */
  readonly points: bigint;
  /** The entry by which they expired. */
  readonly sequence: bigint;
  readonly time: Timestamp;
  /** The entry that made the lot. */
  readonly made: Entry;
  /** How many points the lot had to begin with. */
  readonly size: bigint;
};

export type ExpiredLots = { readonly lots: readonly ExpiredLot[]; readonly isAll: boolean };

/** The lots of which points expired last in a range, newest first, and what was unused of them. */
export async function askExpiredLots(
  { listEntries, getEntry }: Pick<Client<typeof PointsService>, "listEntries" | "getEntry">,
  userId: string,
  { start, end }: Pick<Range, "start" | "end">,
): Promise<ExpiredLots> {
  const entries: Entry[] = [];
  let pageToken = "";
  // A page may be short, even empty, though more follow.
  for (let pages = 0; pages < MAX_PAGES && entries.length < MAX_LOTS; pages += 1) {
    const page = await listEntries({
      userId,
      kinds: [EntryKind.EXPIRE],
      pageSize: MAX_LOTS,
      pageToken,
      ...(start && { startTime: timestampFromDate(start) }),
      ...(end && { endTime: timestampFromDate(end) }),
    });
    entries.push(...page.entries);
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  const all = entries.flatMap(({ sequence, createTime, allocations }) =>
    allocations.map(({ lot, points }) => ({ lot, points, sequence, time: createTime! })),
  );
  const shown = all.slice(0, MAX_LOTS);
  const numbers = [...new Set(shown.map(({ lot }) => lot))];
  const makers = await Promise.all(
    numbers.map(
      async (value) => (await getEntry({ userId, by: { case: "sequence", value } })).entry!,
    ),
  );
  const madeBy = new Map(makers.map((entry) => [entry.sequence, entry]));
  const lots = shown.map((expired) => {
    const made = madeBy.get(expired.lot)!;
    return { ...expired, made, size: sizeOf(made) };
  });
  return { lots, isAll: pageToken === "" && shown.length === all.length };
}

/** Each is one more call. */
const MAX_LOTS = 20;
const MAX_PAGES = 10;

/** What an entry gave to the lot that it made: what repaid debt is not among it. */
function sizeOf({ sequence, allocations, points }: Entry): bigint {
  return allocations.find(({ lot }) => lot === sequence)?.points ?? points;
}
