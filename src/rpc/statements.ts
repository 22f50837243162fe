import type { ServiceImpl } from "@connectrpc/connect";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  ListEntriesRequestSchema,
  ListHoldsRequestSchema,
  ListLotsRequestSchema,
  type PointsService,
} from "../../gen/points/v1/points_pb.ts";
import type { EntryKind } from "../ledger/entry.ts";
import { hasAccount, readEntries, readEntry, readHolds, readLots } from "../store/read.ts";
import type { Orm } from "../store/orm.ts";
import { ENTRY_KINDS, toEntryMessage, toHoldMessage, toLotMessage } from "./answers.ts";
import { accountNotFound, entryNotFound, invalidField } from "./errors.ts";
import { fitting, pageSizeOf } from "./page-size.ts";
import { readPageToken, writePageToken } from "./page-token.ts";
import { fromTimestamp } from "./timestamps.ts";

type Statements = Pick<
  ServiceImpl<typeof PointsService>,
  "getEntry" | "listEntries" | "listLots" | "listHolds"
>;

/**
 * The RPCs that show what an account statement shows. They lock and write nothing.
 *
 * @param answerMaxBytes pages end before they are larger
 */
export function statements(orm: Orm, answerMaxBytes: number): Statements {
  const requireAccount = async (userId: string) => {
    if (!(await hasAccount(orm, userId))) throw accountNotFound(userId);
  };
  return {
    async getEntry({ userId, sequence }) {
      const entry = await readEntry(orm, userId, sequence);
      if (entry !== undefined) return { entry: toEntryMessage(entry) };
      await requireAccount(userId);
      throw entryNotFound(sequence);
    },

    async listEntries(request) {
      const { userId } = request;
      const [before] = readPageToken(ListEntriesRequestSchema, request) ?? [];
      const filter = {
        kinds: request.kinds.map((kind) => KIND_NAMES.get(kind)!),
        startTime: instantOf(request.startTime, "start_time"),
        endTime: instantOf(request.endTime, "end_time"),
      };
      const size = pageSizeOf(request);
      const page = await readEntries(orm, userId, filter, bigintOf(before), size);
      const entries = fitting(page.entries, answerMaxBytes);
      const next = entries.length < page.entries.length ? entries.at(-1)!.sequence : page.next;
      if (entries.length === 0 && before === undefined) await requireAccount(userId);
      const nextPageToken =
        next === undefined ? "" : writePageToken(ListEntriesRequestSchema, request, [`${next}`]);
      return { entries: entries.map(toEntryMessage), nextPageToken };
    },

    async listLots(request) {
      const place = readPageToken(ListLotsRequestSchema, request);
      const after = place && {
        priority: Number(place[0]),
        expireTime: place[1] === "" ? null : BigInt(place[1]!),
        number: BigInt(place[2]!),
      };
      const size = pageSizeOf(request);
      const lots = await readLots(orm, request.userId, after, size);
      if (lots.length === 0 && after === undefined) await requireAccount(request.userId);
      const last = lots.length === size ? lots.at(-1) : undefined;
      const next = last && [`${last.priority}`, `${last.expireTime ?? ""}`, `${last.number}`];
      return {
        lots: lots.map(toLotMessage),
        nextPageToken: next ? writePageToken(ListLotsRequestSchema, request, next) : "",
      };
    },

    async listHolds(request) {
      const { userId, openOnly } = request;
      const [before] = readPageToken(ListHoldsRequestSchema, request) ?? [];
      const size = pageSizeOf(request);
      const page = await readHolds(orm, userId, openOnly, bigintOf(before), size);
      const holds = fitting(page.holds, answerMaxBytes);
      if (holds.length === 0 && before === undefined) await requireAccount(userId);
      const isLast = !page.isFull && holds.length === page.holds.length;
      const last = isLast ? undefined : holds.at(-1);
      return {
        holds: holds.map(toHoldMessage),
        nextPageToken: last
          ? writePageToken(ListHoldsRequestSchema, request, [`${last.number}`])
          : "",
      };
    },
  };
}

const KIND_NAMES = new Map(
  Object.entries(ENTRY_KINDS).map(([name, kind]) => [kind, name as EntryKind]),
);

function instantOf(timestamp: Timestamp | undefined, field: string): bigint | undefined {
  if (timestamp === undefined) return undefined;
  const instant = fromTimestamp(timestamp);
  if (instant === undefined) throw invalidField(field, "must be a valid timestamp");
  return instant;
}

function bigintOf(text: string | undefined): bigint | undefined {
  return text === undefined || text === "" ? undefined : BigInt(text);
}
