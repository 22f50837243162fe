import type { Timestamp } from "@bufbuild/protobuf/wkt";
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
import { inSnapshot, type Run } from "../store/driver/transaction.ts";
import { readEntry } from "../store/reads/entry.ts";
import { type Lagging, TooOld } from "../store/reads/lagging.ts";
import { readPageKey } from "../store/reads/page-key.ts";
import { readEntries, readHolds, readLots } from "../store/reads/pages.ts";
import { hasAccount, readSequence } from "../store/reads/read.ts";
import { toEntryMessage, toHoldMessage, toLotMessage } from "./answers.ts";
import { kindOf } from "../ledger/entry-kinds.ts";
import { LOT_CURSOR, SEQUENCE_CURSOR } from "./page-cursors.ts";
import { fitting, pageSizeOf } from "./page-size.ts";
import { keyOnce, pageTokens } from "./page-token.ts";
import { instantOf, toTimestamp } from "./timestamps.ts";

type Statements = Pick<
  ServiceImpl<typeof PointsService>,
  "getEntry" | "listEntries" | "listLots" | "listHolds"
>;

type Sources = {
  readonly orm: Orm;
  /** For the lists. */
  readonly laggingLists: Lagging;
  /** A page ends before it is larger. */
  readonly answerMaxBytes: number;
};

/**
 * Handlers of the RPCs that make up an account statement. They lock and write nothing. Pages go by
 * keyset cursors, so they neither skip nor repeat an item while others are being written.
 */
export function statements(sources: Sources): Statements {
  const { orm, answerMaxBytes } = sources;
  const readPage = pageReader(sources);
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
      if (!(await hasAccount(orm, userId))) throw accountNotFound(userId);
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
      const { page, asOf } = await readPage(request, before, (run) =>
        readEntries(run, { userId, ...filter, before, limit: size }),
      );
      const entries = fitting(page.entries, answerMaxBytes);
      const next = entries.length < page.entries.length ? entries.at(-1)!.sequence : page.next;
      const nextPageToken = next === undefined ? "" : await entryPages.write(request, next);
      const shown = entries.map((entry) => toEntryMessage(entry, page.salt));
      return { entries: shown, nextPageToken, asOf };
    },

    async listLots(request) {
      const { userId } = request;
      const after = await lotPages.read(request);
      const size = pageSizeOf(request);
      const read = await readPage(request, after?.sequence, (run) =>
        readLots(run, { userId, after, limit: size }),
      );
      const { page: lots, sequence, asOf } = read;
      const last = lots.length === size ? lots.at(-1) : undefined;
      const cursor = last && { ...last, isScoped: isScoped(last), sequence };
      const nextPageToken = cursor === undefined ? "" : await lotPages.write(request, cursor);
      return { lots: lots.map(toLotMessage), nextPageToken, asOf };
    },

    async listHolds(request) {
      const { userId, openOnly } = request;
      const before = await holdPages.read(request);
      const size = pageSizeOf(request);
      const { page, asOf } = await readPage(request, before, (run) =>
        readHolds(run, { userId, openOnly, before, limit: size }),
      );
      const holds = fitting(page.holds, answerMaxBytes);
      const isLast = !page.isFull && holds.length === page.holds.length;
      const last = isLast ? undefined : holds.at(-1);
      const nextPageToken = last === undefined ? "" : await holdPages.write(request, last.number);
      return { holds: holds.map(toHoldMessage), nextPageToken, asOf };
    },
  };
}

type PageRequest = { readonly userId: string; readonly minSequence: bigint };

/** A page, the account's sequence in the state that it is of, and that state's time if it lags. */
type PageRead<Page> = {
  readonly page: Page;
  readonly sequence: bigint;
  readonly asOf: Timestamp | undefined;
};

/**
 * Reads pages of accounts. A standby that lacks an entry of the account that the caller has seen is too
 * old; and so is one that lacks the entry, hold or lot from which a page goes on, for it might lack some
 * behind it too.
 *
 * @throws ACCOUNT_NOT_FOUND
 */
function pageReader({ orm, laggingLists }: Sources) {
  return <Page>(
    { userId, minSequence }: PageRequest,
    seenSequence: bigint | undefined,
    readRows: (run: Run) => Promise<Page>,
  ): Promise<PageRead<Page>> => {
    const read = async (run: Run) => {
      // In one round trip.
      const [sequence, page] = await Promise.all([readSequence(run, userId), readRows(run)]);
      if (sequence === undefined) throw accountNotFound(userId);
      return { page, sequence };
    };
    return laggingLists.readOr<PageRead<Page>>(
      async ({ run, asOf }) => {
        const found = await read(run);
        const { sequence } = found;
        if (sequence < minSequence || sequence < (seenSequence ?? 0n)) throw new TooOld();
        return { ...found, asOf: toTimestamp(asOf) };
      },
      async () => ({ ...(await inSnapshot(orm, read)), asOf: undefined }),
    );
  };
}
