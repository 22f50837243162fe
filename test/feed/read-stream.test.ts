import fc from "fast-check";
import { expect, onTestFinished, test, vi } from "vitest";
import { comparePlaces, type Cursor, readCursor, writeCursor } from "../../src/feed/cursor.ts";
import { type Placed, readStream, type StreamSource } from "../../src/feed/read-stream.ts";
import { assertUntil } from "../support/enough.ts";
import {
  Database,
  type Item,
  MB,
  type Server,
  serversOf,
  sourceOf,
} from "../support/feed-database.ts";
import { LONG_MS } from "../support/patience.ts";

const LEDGER = "0123abcd-0000-4000-8000-000000000000";

/** A consumer that keeps what it was sent, and forgets what is in doubt. */
class Consumer {
  kept = new Map<string, Placed<Item>>();
  gaps: string[] = [];
  /** What was not there though all up to a time was said to be. */
  missing: string[] = [];
  repeats = 0;
  doubts = 0;
  cursor = readCursor(LEDGER, writeCursor(LEDGER, START))!;

  /**
   * Follows the stream until it has caught up, or it breaks after so many pieces. It may die before it
   * stores the last cursors.
   */
  async follow(
    database: Database,
    maxPieces: number,
    { forgets = 0, server = serversOf()[0]!, replays = 0 }: Partial<Following> = {},
  ): Promise<void> {
    const cursors = [this.cursor];
    const source = sourceOf(database, server, replays);
    await this.followTo(database, source, { maxPieces, cursors }).catch((error: Error) => {
      if (error.message !== "cut") throw error;
    });
    this.cursor = cursors.at(-1 - Math.min(forgets, cursors.length - 1))!;
    // Who begins anew, begins with nothing.
    if (this.cursor.marks.length === 0 && this.cursor.place.feed === 0n) this.kept.clear();
  }

  private async followTo(
    database: Database,
    source: StreamSource<Item>,
    { maxPieces, cursors }: { maxPieces: number; cursors: Cursor[] },
  ): Promise<void> {
    let pieces = 0;
    for await (const piece of readStream<Item>(source, this.cursor)) {
      this.take(piece.items, piece.change?.doubtedFrom);
      // What was stored is read again.
      // Forgetting and storing the cursor are one transaction.
      if (piece.change?.doubtedFrom !== undefined) cursors.length = 0;
      cursors.push(readCursor(LEDGER, writeCursor(LEDGER, piece.cursor))!);
      const { caughtUpTo } = piece;
      if (caughtUpTo !== undefined) {
        const due = database.entries.filter(({ xid }) => database.shown.get(xid)! < caughtUpTo);
        this.missing.push(...due.map(nameOf).filter((name) => !this.kept.has(name)));
      }
      pieces += 1;
      if (pieces >= maxPieces) return;
      if (caughtUpTo !== undefined && piece.items.length === 0) return;
    }
  }

  private take(items: readonly Placed<Item>[], doubted: Cursor["place"] | undefined): void {
    if (doubted !== undefined) {
      this.doubts += 1;
      for (const [name, { place }] of this.kept) {
        if (comparePlaces(place, doubted) >= 0) this.kept.delete(name);
      }
    }
    for (const one of items) {
      if (this.kept.has(nameOf(one))) this.repeats += 1;
      const before = one.item.sequence - 1n;
      const hasBefore = [...this.kept.values()].some(
        ({ item }) => item.user === one.item.user && item.sequence === before,
      );
      if (before > 0n && !hasBefore) this.gaps.push(nameOf(one));
      this.kept.set(nameOf(one), one);
    }
  }
}

type Following = { readonly forgets: number; readonly server: Server; readonly replays: number };

const START: Cursor = { place: { epoch: 1n, feed: 0n, sequence: 0n, hash: "" }, marks: [] };

function nameOf({ place, item }: Placed<Item>): string {
  return `${item.user} ${item.sequence} ${place.hash}`;
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ begin: fc.constantFrom("ann", "ben", "cay", "dee") }) },
  {
    weight: 6,
    arbitrary: fc.record({
      commit: fc.nat(3),
      count: fc.integer({ min: 0, max: 7 }),
      walBytes: fc.bigInt({ min: 1n, max: 4n * MB }),
      isShown: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      follow: fc.integer({ min: 1, max: 8 }),
      forgets: fc.nat(3),
      server: fc.nat(3),
      replays: fc.nat(2),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ replay: fc.nat(1), records: fc.integer({ min: 1, max: 9 }) }),
  },
  { weight: 2, arbitrary: fc.constant({ show: true }) },
  {
    weight: 1,
    arbitrary: fc.record({
      lagBytes: fc.oneof(fc.constant(1n), fc.bigInt({ min: 0n, max: 5n * MB })),
      known: fc.boolean(),
    }),
  },
);

test(
  "a reader has what the ledger has, whatever commits late, breaks off or is lost in a failover",
  { timeout: LONG_MS },
  async () => {
    const seen = { entries: 0, doubts: 0, repeats: 0 };
    const lives = fc.array(step, { minLength: 1, maxLength: 120, size: "max" });
    await assertUntil(
      () => seen.entries > 10_000 && seen.doubts > 100,
      fc.asyncProperty(lives, async (steps) => {
        const [database, consumer, servers] = [new Database(), new Consumer(), serversOf()];
        for (const one of steps) {
          if ("begin" in one) database.begin(one.begin);
          else if ("commit" in one) {
            database.commit(one.commit, one.count, one.walBytes, one.isShown);
          } else if ("follow" in one) {
            const server = servers[one.server]!;
            await consumer.follow(database, one.follow, { ...one, server });
          } else if ("replay" in one) database.replay(one.replay, one.records);
          else if ("show" in one) database.show();
          else database.failOver(one.lagBytes, one.known);
        }
        database.show();
        database.open = [];
        await consumer.follow(database, Infinity);
        expect([...consumer.kept.keys()].toSorted()).toEqual(
          database.entries.map(nameOf).toSorted(),
        );
        expect(consumer.gaps).toEqual([]);
        expect(consumer.missing).toEqual([]);
        const unfounded = database.lives.length === 1 ? consumer.doubts : 0;
        expect(unfounded).toBe(0);
        seen.entries += consumer.kept.size;
        seen.doubts += consumer.doubts;
        seen.repeats += consumer.repeats;
      }),
      50,
    );
    console.log(JSON.stringify(seen));
  },
);

test("a snapshot of the storage that was put back leaves all of its life in doubt", async () => {
  const [database, consumer] = [new Database(), new Consumer()];
  const charge = (user: string) => {
    database.begin(user);
    database.commit(0, 1, MB);
  };
  charge("ann");
  database.failOver(0n, true);
  for (const user of ["ann", "ben", "ann"]) charge(user);
  await consumer.follow(database, Infinity);
  database.goBack(2n * MB);
  await consumer.follow(database, Infinity);
  expect(consumer.doubts).toBe(1);
  expect([...consumer.kept.keys()]).toEqual(database.entries.map(nameOf));
  expect(consumer.kept.size).toBe(2);
});

test("a server whose horizon is behind a cursor of another server takes nothing for lost", async () => {
  const [database, consumer] = [new Database(), new Consumer()];
  const behind = await database.horizon();
  database.begin("ann");
  database.commit(0, 1, MB);
  await consumer.follow(database, Infinity);
  const { xmax, lsn } = database.look();
  const horizon = () => Promise.resolve({ ...behind, seen: { xmax, lsn } });
  const { read, horizon: present } = database;
  const source = { horizon, present, read, lives: () => Promise.resolve(database.lives) };
  for await (const piece of readStream<Item>(source, consumer.cursor)) {
    expect(piece).toMatchObject({ items: [], change: undefined });
    if (piece.caughtUpTo === undefined) continue;
    break;
  }
});

test("who waits long for each read of a range hears how far it is", async () => {
  const database = new Database();
  database.begin("ann");
  const horizon = await database.horizon();
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  let reads = 0;
  const source = {
    horizon: () => Promise.resolve({ ...horizon, feed: 2n ** 60n }),
    present: database.horizon,
    lives: () => Promise.resolve(database.lives),
    read() {
      reads += 1;
      vi.advanceTimersByTime(600);
      return Promise.resolve({ items: [], count: 1_000 });
    },
  };
  const pieces = readStream<Item>(source, START);
  const first = (await pieces.next()).value!;
  const second = (await pieces.next()).value!;
  expect(reads).toBe(2);
  expect(comparePlaces(second.cursor.place, first.cursor.place)).toBeGreaterThan(0);
});
