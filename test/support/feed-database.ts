import { comparePlaces } from "../../src/feed/cursor.ts";
import {
  type Horizons,
  look,
  type Look,
  NO_LOOK,
  STANDBY_LSN_MARGIN,
} from "../../src/feed/horizon.ts";
import type { Life } from "../../src/feed/lives.ts";
import type { FeedRange, Placed, StreamSource } from "../../src/feed/read-stream.ts";

// A database of a few lines: transactions get ids, commit in any order, and write the WAL. Standbys
// replay the WAL, and may show a commit before the primary does. One that is promoted has the WAL up to
// some place, and nothing behind it.

export const MB = 2n ** 20n;
const READ_MAX = 5;

export type Item = { readonly user: string; readonly sequence: bigint };
type Written = Placed<Item> & { readonly xid: bigint };
type Open = { readonly xid: bigint; readonly user: string; readonly isWritten: boolean };

const FIRST_LIFE = { epoch: 1n, beginTime: 1n, forkLsn: undefined, lsn: 1_000n * MB };

type Lives = readonly (Life & { lsn: bigint })[];

/** What a database has after a record of the WAL. */
type State = {
  readonly entries: readonly Written[];
  readonly lives: Lives;
  /** Transactions that it has not seen the end of. */
  readonly open: readonly bigint[];
  readonly xmax: bigint;
  readonly lsn: bigint;
  /** Where that record begins. */
  readonly lsnBefore: bigint;
  /** Of the last commit. */
  readonly time: bigint;
};

export class Database {
  entries: readonly Written[] = [];
  lives: Lives = [FIRST_LIFE];
  open: readonly Open[] = [];
  nextXid = 700n;
  completed = 699n;
  lsn = FIRST_LIFE.lsn;
  time = 1n;
  /** Since when the primary has shown what a transaction has written. */
  shown = new Map<bigint, bigint>();
  made = 0;
  /** What standbys have, after each record; and where two of them are. */
  states: State[] = [];
  replayed = [0, 0];

  constructor() {
    this.write(0n);
  }

  begin(user: string): void {
    if (this.open.some((one) => one.user === user)) return;
    this.open = [...this.open, { xid: this.nextXid, user, isWritten: false }];
    this.nextXid += 1n;
  }

  /** Commits a transaction, which has made some entries of its user; `isShown`: here at once. */
  commit(which: number, count: number, walBytes: bigint, isShown = true): void {
    const able = this.open.filter(({ isWritten }) => !isWritten);
    const one = able[which % Math.max(able.length, 1)];
    if (one === undefined) return;
    this.time += 1n;
    const { epoch } = this.lives.at(-1)!;
    const own = this.entries.filter(({ item }) => item.user === one.user);
    const before = own.findLast(({ place }) => place.epoch === epoch)?.place.feed ?? 0n;
    const feed = before > one.xid ? before : one.xid;
    for (let n = 1n; n <= count; n += 1n) {
      const sequence = BigInt(own.length) + n;
      // A number that is given again after a failover is of another entry.
      const hash = (this.made += 1).toString(16).padStart(16, "0");
      const item = { user: one.user, sequence };
      const place = { epoch, feed, sequence, hash };
      this.entries = [...this.entries, { place, item, xid: one.xid }];
    }
    this.open = this.open.map((other) => (other === one ? { ...one, isWritten: true } : other));
    this.write(walBytes);
    if (isShown) this.show();
  }

  /** The primary shows what waited for other standbys. */
  show(): void {
    this.time += 1n;
    for (const { xid, isWritten } of this.open) {
      if (!isWritten) continue;
      this.shown.set(xid, this.time);
      if (xid > this.completed) this.completed = xid;
    }
    this.open = this.open.filter(({ isWritten }) => !isWritten);
  }

  /** Writes a record, after which standbys have what was committed. */
  private write(walBytes: bigint): void {
    const written = this.open.filter(({ isWritten }) => isWritten).map(({ xid }) => xid);
    const xmax = [...written, this.completed].reduce((most, xid) => (xid > most ? xid : most)) + 1n;
    const open = this.open.filter(({ isWritten }) => !isWritten).map(({ xid }) => xid);
    const lsnBefore = this.lsn;
    this.lsn += walBytes;
    const { entries, lives, lsn, time } = this;
    this.states.push({ entries, lives, open, xmax, lsn, lsnBefore, time });
  }

  replay(standby: number, records: number): void {
    const last = this.states.length - 1;
    this.replayed[standby] = Math.min(this.replayed[standby]! + records, last);
  }

  /**
   * A standby is promoted that lacks the last bytes of the WAL, and perhaps the beginning of the life
   * before. It may not know where it began.
   */
  failOver(lagBytes: bigint, isForkKnown: boolean): void {
    const forkLsn = this.goBack(lagBytes);
    const epoch = this.lives.at(-1)!.epoch + 1n;
    const life = { epoch, beginTime: this.time, forkLsn: isForkKnown ? forkLsn : undefined };
    this.lives = [...this.lives, { ...life, lsn: forkLsn + 1n }];
    this.write(1n);
  }

  /** A snapshot of the storage is put back. A standby that has more is made anew from it. */
  goBack(bytes: bigint): bigint {
    const kept = this.states.filter(({ lsn }) => lsn <= this.lsn - bytes);
    this.states = kept.length > 0 ? kept : this.states.slice(0, 1);
    const { entries, lives, lsn } = this.states.at(-1)!;
    Object.assign(this, { entries, lives, lsn, open: [], time: this.time + 1n });
    for (const standby of this.replayed.keys()) this.replay(standby, 0);
    return lsn;
  }

  look = () => {
    this.time += 1n;
    const { epoch, beginTime } = this.lives.at(-1)!;
    const xids = this.open.map(({ xid }) => xid);
    const [xmax, { lsn, time }] = [this.completed + 1n, this];
    return { epoch, beginTime, xmin: least(xids, xmax), xmax, lsn, flushedLsn: lsn, time };
  };

  /**
   * `early`: before the last record counts as replayed. `all`: it knows that it has replayed all that
   * has come.
   */
  lookAt(standby: number, when: "early" | "later" | "all") {
    const { lives, open, xmax, time, ...wal } = this.states[this.replayed[standby]!]!;
    const { epoch, beginTime } = lives.at(-1)!;
    const isIdle = this.replayed[standby] === this.states.length - 1 && when === "all";
    const replayed = when === "early" ? wal.lsnBefore : wal.lsn;
    const lsn = replayed + (isIdle ? 0n : STANDBY_LSN_MARGIN);
    return { epoch, beginTime, xmin: least(open, xmax), xmax, lsn, flushedLsn: lsn, time };
  }

  present = () => {
    this.nextXid += 1n;
    const { epoch, beginTime } = this.lives.at(-1)!;
    return Promise.resolve({ epoch, beginTime, seen: { xmax: this.nextXid - 1n, lsn: this.lsn } });
  };

  horizon = () => Promise.resolve(look(NO_LOOK, this.look()).horizon!);

  read = (range: FeedRange) => {
    const hidden = new Set(this.open.map(({ xid }) => xid));
    const shown = this.entries.filter(({ xid }) => !hidden.has(xid));
    const found = readIn(range, shown, this.look());
    if (found === "lacking") throw new Error("cut");
    return Promise.resolve(found);
  };

  /** As far as a standby has it, or else of the primary. */
  readAt(standby: number, range: FeedRange) {
    const { entries } = this.states[this.replayed[standby]!]!;
    const found = readIn(range, entries, this.lookAt(standby, "all"));
    return found === "lacking" ? this.read(range) : Promise.resolve(found);
  }
}

function readIn(
  { epoch, from, to }: FeedRange,
  entries: readonly Written[],
  { epoch: last, xmin }: Pick<Look, "epoch" | "xmin">,
) {
  if (epoch >= last && (epoch > last || to > xmin)) return "lacking";
  const found = entries.filter(({ place }) => {
    return place.epoch === epoch && place.feed >= from && place.feed < to;
  });
  if (found.length > READ_MAX && to - from > 1n) return undefined;
  const items = found.toSorted((one, other) => comparePlaces(one.place, other.place));
  return { items, count: items.length };
}

function least(xids: readonly bigint[], xmax: bigint): bigint {
  return xids.reduce((lowest, xid) => (xid < lowest ? xid : lowest), xmax);
}

/** A server, which reads the primary, or standbys: now the one, now the other. */
export type Server = { known: Horizons; readonly standbys: readonly number[] };

/** The stream of a server. `replays`: how many records its standbys go on at each look. */
export function sourceOf(database: Database, server: Server, replays: number): StreamSource<Item> {
  let looks = 0;
  const turn = () => server.standbys[looks % server.standbys.length];
  return {
    present: database.present,
    lives: () => Promise.resolve(database.lives),
    horizon() {
      looks += 1;
      for (const standby of server.standbys) database.replay(standby, replays);
      const standby = turn();
      const seen =
        standby === undefined ? database.look() : database.lookAt(standby, WHEN[looks % 3]!);
      server.known = look(server.known, seen);
      return Promise.resolve(server.known.horizon!);
    },
    read(range) {
      looks += 1;
      const standby = turn();
      return standby === undefined ? database.read(range) : database.readAt(standby, range);
    },
  };
}

const WHEN = ["early", "later", "all"] as const;

/** Servers on the primary alone, on each of two standbys, and on both. */
export function serversOf(): readonly Server[] {
  return [[], [0], [1], [0, 1]].map((standbys) => ({ known: NO_LOOK, standbys }));
}
