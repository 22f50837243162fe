import type { ServiceImpl } from "@connectrpc/connect";
import {
  ListEntriesRequestSchema,
  ListHoldsRequestSchema,
  ListLotsRequestSchema,
  type PointsService,
} from "../../gen/points/v1/points_pb.ts";
import { accountNotFound, entryNotFound, invalidField } from "../errors/api-error.ts";
import { isScoped } from "../ledger/lot.ts";
import type { Orm } from "../store/driver/orm.ts";
import { readEntry } from "../store/reads/entry.ts";
import { readPageKey } from "../store/reads/page-key.ts";
import { readEntries, readHolds, readLots } from "../store/reads/pages.ts";
import { hasAccount } from "../store/reads/read.ts";
import { toEntryMessage, toHoldMessage, toLotMessage } from "./answers.ts";
import { kindOf } from "../ledger/entry-kinds.ts";
import { LOT_CURSOR, SEQUENCE_CURSOR } from "./page-cursors.ts";
import { fitting, pageSizeOf } from "./page-size.ts";
import { keyOnce, pageTokens } from "./page-token.ts";
import { instantOf } from "./timestamps.ts";

type Statements = Pick<
  ServiceImpl<typeof PointsService>,
  "getEntry" | "listEntries" | "listLots" | "listHolds"
>;

/**
 * Handlers of the RPCs that make up an account statement. They lock and write nothing. Pages go by
 * keyset cursors, so they neither skip nor repeat an item while others are being written.
 *
 * @param answerMaxBytes a page ends before it is larger
 */
export function statements(orm: Orm, answerMaxBytes: number): Statements {
  const requireAccount = async (userId: string) => {
    if (!(await hasAccount(orm, userId))) throw accountNotFound(userId);
  };
  const key = keyOnce(() => readPageKey(orm));
  const entryPages = pageTokens(ListEntriesRequestSchema, SEQUENCE_CURSOR, key);
  const lotPages = pageTokens(ListLotsRequestSchema, LOT_CURSOR, key);
  const holdPages = pageTokens(ListHoldsRequestSchema, SEQUENCE_CURSOR, key);
  return {
    async getEntry({ userId, by }) {
      if (by.case === undefined) throw invalidField("by", "is required");
      const read = await readEntry(orm, userId, by.value);
      if (read !== undefined) {
        const { entry, salt, refunded, revocation, referring } = read;
        const shown = toEntryMessage(entry, salt);
        return { entry: shown, refunded, ...revocation, referringEntries: [...referring] };
      }
      await requireAccount(userId);
      throw entryNotFound(by.value);
    },

    async listEntries(request) {
      const { userId } = request;
      const before = await entryPages.read(request);
      const filter = {
        kinds: request.kinds.map(kindOf),
        startTime: instantOf(request.startTime, "start_time"),
        endTime: instantOf(request.endTime, "end_time"),
        service: request.service,
        member: request.member,
        actor: request.actor,
      };
      const size = pageSizeOf(request);
      const page = await readEntries(orm, { userId, ...filter, before, limit: size });
      const entries = fitting(page.entries, answerMaxBytes);
      const next = entries.length < page.entries.length ? entries.at(-1)!.sequence : page.next;
      if (entries.length === 0 && before === undefined) await requireAccount(userId);
      const nextPageToken = next === undefined ? "" : await entryPages.write(request, next);
      const shown = entries.map((entry) => toEntryMessage(entry, page.salt));
      return { entries: shown, nextPageToken };
    },

    async listLots(request) {
      const after = await lotPages.read(request);
      const size = pageSizeOf(request);
      const lots = await readLots(orm, { userId: request.userId, after, limit: size });
      if (lots.length === 0 && after === undefined) await requireAccount(request.userId);
      const last = lots.length === size ? lots.at(-1) : undefined;
      const cursor = last && { ...last, isScoped: isScoped(last) };
      const nextPageToken = cursor === undefined ? "" : await lotPages.write(request, cursor);
      return { lots: lots.map(toLotMessage), nextPageToken };
    },

    async listHolds(request) {
      const { userId, openOnly } = request;
      const before = await holdPages.read(request);
      const size = pageSizeOf(request);
      const page = await readHolds(orm, { userId, openOnly, before, limit: size });
      const holds = fitting(page.holds, answerMaxBytes);
      if (holds.length === 0 && before === undefined) await requireAccount(userId);
      const isLast = !page.isFull && holds.length === page.holds.length;
      const last = isLast ? undefined : holds.at(-1);
      const nextPageToken = last === undefined ? "" : await holdPages.write(request, last.number);
      return { holds: holds.map(toHoldMessage), nextPageToken };
    },
  };
}
