import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import {
  type StreamEntriesRequest,
  StreamEntriesRequestSchema,
  type StreamEntriesResponseSchema,
} from "../../gen/points/v1/ledger_pb.ts";
import type { Caller } from "../auth/caller.ts";
import { leaseKey } from "../auth/lease.ts";
import { requirePrefix } from "../auth/rules.ts";
import { Abandoned, Draining } from "../commit/batcher.ts";
import { cursorInvalid } from "../errors/api-error.ts";
import { before, type Cursor, readCursor, writeCursor } from "../feed/cursor.ts";
import type { HorizonSubscription } from "../feed/watch-horizon.ts";
import { kindOf } from "../ledger/entry-kinds.ts";
import { type LifeChange, type Piece, readStream, type StreamSource } from "../feed/read-stream.ts";
import {
  readFeedRange,
  readFeedRangeOfStandby,
  readLives,
  readPresent,
  type StreamedEntry,
  type StreamFilter,
} from "../store/reads/feed.ts";
import { readLedger } from "../store/reads/ledger.ts";
import { toEntryMessage } from "./answers.ts";
import { handOver } from "./hand-over.ts";
import { fitting } from "./page-size.ts";
import type { LedgerBackend } from "./ledger-backend.ts";
import { toTimestamp } from "./timestamps.ts";
import { validate } from "./validate.ts";

type Message = MessageInitShape<typeof StreamEntriesResponseSchema>;

const MESSAGE_MAX_ENTRIES = 1_000;

/**
 * Handles StreamEntries. The next piece is read while the caller takes the last, and no further: a slow
 * caller holds at most two.
 */
export async function* streamEntries(
  backend: LedgerBackend,
  request: StreamEntriesRequest,
  { values, signal }: HandlerContext,
): AsyncGenerator<Message> {
  const lease = values.get(leaseKey);
  let subscription: HorizonSubscription | undefined;
  try {
    validate(StreamEntriesRequestSchema, request);
    subscription = backend.horizon.subscribe();
    const userIdPrefix = request.userIdPrefix || (await lease.caller()).userIdPrefix;
    lease.require((caller: Caller) => requirePrefix(caller, userIdPrefix));
    const filter = { kinds: request.kinds.map(kindOf), userIdPrefix };
    const { ledgerId } = await readLedger(backend.streams);
    const start = await startOf(backend, request, ledgerId);
    // A reader that is far behind asks for no horizon for hours.
    const requireGoingOn = () => {
      if (signal.aborted) throw new Abandoned(true, signal.reason);
      if (backend.stopping.aborted) throw new Draining();
    };
    const limits = {
      ledgerId,
      maxEntries: request.maxEntries || MESSAGE_MAX_ENTRIES,
      maxBytes: backend.answerMaxBytes,
    };
    const source = sourceOf(backend, filter, { subscription, requireGoingOn });
    for await (const piece of ahead(readStream(source, start))) {
      for (const message of toMessages(piece, limits)) {
        requireGoingOn();
        yield* handOver(message);
      }
    }
  } catch (thrown) {
    throw lease.out.aborted ? lease.out.reason : backend.toError(thrown);
  } finally {
    subscription?.end();
  }
}

/** @throws CURSOR_INVALID */
async function startOf(
  { streams: orm }: LedgerBackend,
  { cursor }: StreamEntriesRequest,
  ledgerId: string,
): Promise<Cursor | undefined> {
  if (cursor === "") return undefined;
  if (cursor === "0") {
    const [first] = await readLives(orm);
    return { place: before(first!.epoch, 0n), marks: [] };
  }
  const read = readCursor(ledgerId, cursor);
  if (read === undefined) throw cursorInvalid();
  return read;
}

function sourceOf(
  { orm, streams, laggingStreams }: LedgerBackend,
  filter: StreamFilter,
  { subscription, requireGoingOn }: Following,
): StreamSource<StreamedEntry> {
  return {
    async horizon() {
      requireGoingOn();
      return subscription.next();
    },
    present: () => readPresent(orm),
    lives: () => readLives(streams),
    async read(range) {
      requireGoingOn();
      return laggingStreams.readOr(
        (reading) => readFeedRangeOfStandby(reading, range, filter),
        () => readFeedRange(streams, range, filter),
      );
    },
  };
}

type Following = {
  readonly subscription: HorizonSubscription;
  /** @throws once the call is to end */
  readonly requireGoingOn: () => void;
};

/** Prefetch: asks for the next value while this one is in use. */
async function* ahead<T>(values: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    let next = values.next();
    for (;;) {
      const { done, value } = await next;
      if (done === true) return;
      next = values.next();
      next.catch(() => {}); // Whoever awaits it is told.
      yield value;
    }
  } finally {
    await values.return(undefined);
  }
}

type Limits = {
  readonly ledgerId: string;
  readonly maxEntries: number;
  readonly maxBytes: number;
};

/** The messages that a piece makes: as many as its entries take. */
function* toMessages(
  { items, cursor, caughtUpTo, change }: Piece<StreamedEntry>,
  { ledgerId, maxEntries, maxBytes }: Limits,
): Generator<Message> {
  for (let at = 0; at === 0 || at < items.length;) {
    const most = items.slice(at, at + maxEntries);
    const { length } = fitting(
      most.map(({ item }) => item.entry),
      maxBytes,
    );
    const part = most.slice(0, length);
    at += Math.max(length, 1);
    const isLast = at >= items.length;
    const place = isLast ? cursor.place : part.at(-1)!.place;
    yield {
      entries: part.map(({ item }) => toStreamedMessage(item)),
      feeds: part.map((one) => one.place.feed),
      epoch: (part[0]?.place ?? place).epoch,
      cursor: writeCursor(ledgerId, { ...cursor, place }),
      ...(isLast && caughtUpTo !== undefined && { caughtUpTo: toTimestamp(caughtUpTo) }),
      ...(change !== undefined && { epochChange: toEpochChange(change) }),
    };
  }
}

function toStreamedMessage({ entry, salt, hashBefore }: StreamedEntry) {
  const message = toEntryMessage(entry, salt);
  if (hashBefore !== null) message.hashBefore = hashBefore;
  return message;
}

function toEpochChange({ ended, began, doubtedFrom }: LifeChange) {
  return {
    endedEpoch: ended,
    epoch: began.epoch,
    beginTime: toTimestamp(began.beginTime),
    ...(doubtedFrom !== undefined && { doubtedFromFeed: doubtedFrom.feed || 1n }),
  };
}
