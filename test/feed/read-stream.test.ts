import fc from "fast-check";
import { expect, onTestFinished, test, vi } from "vitest";
import { comparePlaces, type Cursor, readCursor, writeCursor } from "../../src/feed/cursor.ts";
import { look, NO_LOOK } from "../../src/feed/horizon.ts";
import type { Life } from "../../src/feed/lives.ts";
import { type FeedRange, type Placed, readStream } from "../../src/feed/read-stream.ts";
import { assertUntil } from "../support/enough.ts";
import { LONG_MS } from "../support/patience.ts";

// A database of a few lines: transactions get ids, commit in any order, and write the WAL. A standby
// that is promoted has the WAL up to some place, and nothing behind it.

const LEDGER = "0123abcd-0000-4000-8000-000000000000";
const MB = 2n ** 20n;
const READ_MAX = 5;

type Item = { readonly user: string; readonly sequence: bigint };
type Written = Placed<Item> & { readonly lsn: bigint };

const FIRST_LIFE = { epoch: 1n, beginTime: 1n, forkLsn: undefined, lsn: 1_000n * MB };

class Database {
  entries: Written[] = [];
  lives: (Life & { lsn: bigint })[] = [FIRST_LIFE];
  open: { xid: bigint; user: string }[] = [];
  nextXid = 700n;
  lsn = FIRST_LIFE.lsn;
  known = NO_LOOK;
  time = 1n;
  made = 0;

  begin(user: string): void {
    if (this.open.some((one) => one.user === user)) return;
    this.open.push({ xid: this.nextXid, user });
    this.nextXid += 1n;
  }

  /** Commits a transaction, which has made some entries of its user. */
  commit(which: number, count: number, walBytes: bigint): void {
    const [one] = this.open.splice(which % Math.max(this.open.length, 1), 1);
    if (one === undefined) return;
    this.lsn += walBytes;
    const { epoch } = this.lives.at(-1)!;
    const own = this.entries.filter(({ item }) => item.user === one.user);
    const before = own.findLast(({ place }) => place.epoch === epoch)?.place.feed ?? 0n;
    const feed = before > one.xid ? before : one.xid;
    for (let n = 1n; n <= count; n += 1n) {
      const sequence = BigInt(own.length) + n;
      // A number that is given again after a failover is of another entry.
      const hash = (this.made += 1).toString(16).padStart(16, "0");
      const item = { user: one.user, sequence };
      this.entries.push({ place: { epoch, feed, sequence, hash }, item, lsn: this.lsn });
    }
  }

  /**
   * A standby is promoted that lacks the last bytes of the WAL, and perhaps the beginning of the life
   * before. It may not know where it began.
   */
  failOver(lagBytes: bigint, isForkKnown: boolean): void {
    const forkLsn = this.goBack(lagBytes);
    this.lives = this.lives.filter(({ lsn }) => lsn <= forkLsn);
    const epoch = this.lives.at(-1)!.epoch + 1n;
    const life = { epoch, beginTime: this.time, forkLsn: isForkKnown ? forkLsn : undefined };
    this.lsn += 1n;
    this.lives = [...this.lives, { ...life, lsn: this.lsn }];
  }

  /** A snapshot of the storage is put back. */
  goBack(bytes: bigint): bigint {
    const lsn = this.lsn - bytes > FIRST_LIFE.lsn ? this.lsn - bytes : FIRST_LIFE.lsn;
    this.entries = this.entries.filter((one) => one.lsn <= lsn);
    [this.open, this.lsn, this.time] = [[], lsn, this.time + 1n];
    return lsn;
  }

  horizon = () => {
    const { epoch, beginTime } = this.lives.at(-1)!;
    const xmin = this.open.reduce((least, { xid }) => (xid < least ? xid : least), this.nextXid);
    this.time += 1n;
    const { lsn, time, nextXid: xmax } = this;
    const seen = { xmin, xmax, lsn, flushedLsn: lsn, time, lags: false };
    this.known = look(this.known, { epoch, beginTime, ...seen });
    return Promise.resolve(this.known.horizon!);
  };

  read = ({ epoch, from, to }: FeedRange) => {
    const found = this.entries.filter(({ place }) => {
      return place.epoch === epoch && place.feed >= from && place.feed < to;
    });
    if (found.length > READ_MAX && to - from > 1n) return Promise.resolve(undefined);
    const items = found.toSorted((one, other) => comparePlaces(one.place, other.place));
    return Promise.resolve({ items, count: items.length });
  };
}

/** A consumer that keeps what it was sent, and forgets what is in doubt. */
class Consumer {
  kept = new Map<string, Placed<Item>>();
  gaps: string[] = [];
  repeats = 0;
  doubts = 0;
  cursor = readCursor(LEDGER, writeCursor(LEDGER, START))!;

  /**
   * Follows the stream until it has caught up, or it breaks after so many pieces. It may die before it
   * stores the last cursors.
   */
  async follow(database: Database, maxPieces: number, forgets = 0): Promise<void> {
    const cursors = [this.cursor];
    await this.followTo(database, maxPieces, cursors);
    this.cursor = cursors.at(-1 - Math.min(forgets, cursors.length - 1))!;
    // Who begins anew, begins with nothing.
    if (this.cursor.marks.length === 0 && this.cursor.place.feed === 0n) this.kept.clear();
  }

  private async followTo(database: Database, maxPieces: number, cursors: Cursor[]): Promise<void> {
    const { horizon, read } = database;
    const lives = () => Promise.resolve(database.lives);
    const source = { horizon, newest: horizon, read, lives };
    let pieces = 0;
    for await (const piece of readStream<Item>(source, this.cursor)) {
      this.take(piece.items, piece.change?.doubtedFrom);
      // What was stored is read again.
      // Forgetting and storing the cursor are one transaction.
      if (piece.change?.doubtedFrom !== undefined) cursors.length = 0;
      cursors.push(readCursor(LEDGER, writeCursor(LEDGER, piece.cursor))!);
      pieces += 1;
      if (pieces >= maxPieces) return;
      if (piece.caughtUpTo !== undefined && piece.items.length === 0) return;
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
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ follow: fc.integer({ min: 1, max: 8 }), forgets: fc.nat(3) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ lagBytes: fc.bigInt({ min: 0n, max: 5n * MB }), known: fc.boolean() }),
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
        const [database, consumer] = [new Database(), new Consumer()];
        for (const one of steps) {
          if ("begin" in one) database.begin(one.begin);
          else if ("commit" in one) database.commit(one.commit, one.count, one.walBytes);
          else if ("follow" in one) await consumer.follow(database, one.follow, one.forgets);
          else database.failOver(one.lagBytes, one.known);
        }
        database.open = [];
        await consumer.follow(database, Infinity);
        expect([...consumer.kept.keys()].toSorted()).toEqual(
          database.entries.map(nameOf).toSorted(),
        );
        expect(consumer.gaps).toEqual([]);
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
  const { xmax, lsn } = database.known.last!;
  const horizon = () => Promise.resolve({ ...behind, seen: { xmax, lsn, lags: false } });
  const { read, horizon: newest } = database;
  const source = { horizon, newest, read, lives: () => Promise.resolve(database.lives) };
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
    newest: database.horizon,
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
