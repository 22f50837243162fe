import { type Account, type Entry, EntryKind } from "../../../gen/points/v1/account_pb.ts";
import type { EpochChange, StreamEntriesResponse } from "../../../gen/points/v1/ledger_pb.ts";
import { chainHash } from "../check/chain.ts";

/** A consumer of the stream: what it keeps must be the journal of the ledger. */
export type Consumer = {
  readonly counts: Counts;
  /** How many times it was sent an entry so far, repeats included. */
  sent(): number;
  /**
   * Begins a stream.
   *
   * @param sent what `sent` gave at the stream's cursor: all that was sent later must come again
   */
  begin(sent: number): void;
  /** How many entries must come again. */
  owing(): number;
  /** Takes a message. */
  take(message: StreamEntriesResponse): void;
  /** The user ids, and how many entries it keeps of each. */
  lengths(): Iterable<[userId: string, length: number]>;
  /** Whether it keeps the entry with this number and hash, if it has to keep one with the number. */
  has(userId: string, sequence: bigint, hash?: Uint8Array): boolean;
  /** What its entries up to the account's last one do not add up to; empty: nothing. */
  differences(account: Account): string[];
};

export type Counts = {
  entries: number;
  repeats: number;
  epochChanges: number;
  /** Epoch changes that left entries in doubt, and how many these were. */
  doubts: number;
  doubted: number;
  /** Lost in a failover while the consumer was at an older cursor, which knows nothing of them. */
  lostBehindCursor: number;
};

type Kept = {
  readonly userId: string;
  readonly hash: Buffer;
  readonly epoch: bigint;
  readonly feed: bigint;
  /** The totals of the account, of all entries up to this one. */
  readonly sums: Sums;
  /** Its place in all that was sent, the last time that it was. */
  sent: number;
};

type Sums = Readonly<Record<(typeof TOTALS)[keyof typeof TOTALS] | "debt", bigint>>;

const TOTALS = {
  [EntryKind.RECHARGE]: "totalRecharged",
  [EntryKind.CONSUME]: "totalConsumed",
  [EntryKind.SETTLE]: "totalConsumed",
  [EntryKind.EXPIRE]: "totalExpired",
  [EntryKind.REFUND]: "totalRefunded",
  [EntryKind.REVOKE]: "totalRevoked",
} as const;
const NOTHING: Sums = {
  totalRecharged: 0n,
  totalConsumed: 0n,
  totalExpired: 0n,
  totalRefunded: 0n,
  totalRevoked: 0n,
  debt: 0n,
};
const FIRST = { hash: Buffer.alloc(32), sums: NOTHING, epoch: 0n, feed: 0n };

/**
 * A consumer with nothing yet. It follows the contract alone: it forgets what an epoch
 * change leaves in doubt, and finds what is missing, doubled, changed or out of order.
 *
 * @param complain called with each such finding
 */
export function newConsumer(complain: (what: string) => void): Consumer {
  const chains = new Map<string, Kept[]>();
  const counts: Counts = {
    entries: 0,
    repeats: 0,
    epochChanges: 0,
    doubts: 0,
    doubted: 0,
    lostBehindCursor: 0,
  };
  let sent = 0;
  /** Kept, but behind the cursor with which the stream began: they must come again. */
  const due = new Set<Kept>();
  /** The last entry of each user in this stream. */
  let lasts = new Map<string, bigint>();
  let place = { epoch: 0n, feed: 0n };

  function takeEntry(entry: Entry, at: { epoch: bigint; feed: bigint }): void {
    const { userId, sequence } = entry;
    const name = `entry ${sequence} of ${userId}`;
    sent += 1;
    const last = lasts.get(userId);
    if (last !== undefined && sequence !== last + 1n) complain(`${name} comes after ${last}`);
    lasts.set(userId, sequence);
    const chain = chains.get(userId) ?? [];
    chains.set(userId, chain);
    const known = chain[Number(sequence) - 1];
    if (known !== undefined) {
      const isSame = known.hash.equals(entry.hash) && comparePlaces(known, at) === 0;
      if (!isSame) complain(`${name} was sent before, with another hash or place`);
      counts.repeats += 1;
      known.sent = sent;
      due.delete(known);
      return;
    }
    const before = chain.at(-1) ?? FIRST;
    if (Number(sequence) !== chain.length + 1) return complain(`${name} leaves a gap`);
    if (comparePlaces(before, at) > 0)
      complain(`${name} has a place before that of the one before`);
    // A copy: the hash is a part of the whole message, which would be kept in memory with it.
    const hash = Buffer.from(entry.hash);
    if (!hash.equals(chainHash(before.hash, entry))) complain(`${name} breaks the chain`);
    const sums = sumsAfter(before.sums, entry);
    if (balanceOf(sums) !== entry.balanceAfter + entry.frozenAfter || sums.debt !== entry.debtAfter)
      complain(`${name} does not leave what the entries add up to`);
    counts.entries += 1;
    chain.push({ userId, hash, ...at, sums, sent });
  }

  /** Forgets entries, and those that come after them in their chains. */
  function forget(isGone: (kept: Kept) => boolean): number {
    let forgotten = 0;
    for (const chain of chains.values()) {
      const first = chain.findIndex(isGone);
      if (first < 0) continue;
      for (const kept of chain.splice(first)) {
        due.delete(kept);
        forgotten += 1;
      }
    }
    return forgotten;
  }

  function change({ endedEpoch, epoch, doubtedFromFeed }: EpochChange): void {
    counts.epochChanges += 1;
    if (endedEpoch >= epoch) complain(`epoch ${endedEpoch} has ended, and ${epoch} has begun`);
    if (doubtedFromFeed === 0n) {
      if (endedEpoch < place.epoch) complain(`epoch ${endedEpoch} ends after ${place.epoch}`);
      // The stream has sent what there is of the epoch.
      const isGone = (kept: Kept) => kept.epoch <= endedEpoch && due.has(kept);
      counts.lostBehindCursor += forget(isGone);
      place = { epoch: endedEpoch + 1n, feed: 0n };
      return;
    }
    counts.doubts += 1;
    place = { epoch: endedEpoch, feed: doubtedFromFeed };
    counts.doubted += forget((kept) => comparePlaces(kept, place) >= 0);
    lasts = new Map();
  }

  return {
    counts,
    sent: () => sent,
    begin(from) {
      if (from < sent) {
        for (const chain of chains.values()) {
          for (const kept of chain) if (kept.sent > from) due.add(kept);
        }
      }
      lasts = new Map();
      place = { epoch: 0n, feed: 0n };
    },
    owing: () => due.size,
    take({ entries, feeds, epoch, caughtUpTo, epochChange }) {
      if (epochChange !== undefined) change(epochChange);
      if (epochChange !== undefined && entries.length > 0) complain("an epoch change has entries");
      if (feeds.length !== entries.length) complain(`${entries.length} entries have other feeds`);
      for (const [index, entry] of entries.entries()) {
        const at = { epoch, feed: feeds[index]! };
        if (comparePlaces(place, at) > 0) complain(`the stream goes back to ${epoch}, ${at.feed}`);
        place = at;
        takeEntry(entry, at);
      }
      if (caughtUpTo !== undefined && due.size > 0) {
        complain(`the stream has caught up, and ${due.size} entries did not come again`);
        due.clear();
      }
    },
    *lengths() {
      for (const [userId, { length }] of chains) yield [userId, length];
    },
    has(userId, sequence, hash) {
      const kept = chains.get(userId)?.[Number(sequence) - 1];
      return kept !== undefined && (hash === undefined || kept.hash.equals(hash));
    },
    differences(account) {
      const { sums } = chains.get(account.userId)?.[Number(account.sequence) - 1] ?? FIRST;
      return (Object.keys(sums) as (keyof Sums)[]).filter((name) => sums[name] !== account[name]);
    },
  };
}

function sumsAfter(before: Sums, { kind, points, owed, repaid }: Entry): Sums {
  const debt = before.debt + owed - repaid;
  if (!(kind in TOTALS)) return { ...before, debt };
  const total = TOTALS[kind as keyof typeof TOTALS];
  return { ...before, debt, [total]: before[total] + points };
}

/** The balance and what is frozen. */
function balanceOf(sums: Sums): bigint {
  const { totalRecharged, totalRefunded, debt } = sums;
  return totalRecharged + totalRefunded + debt - spentOf(sums);
}

function spentOf({ totalConsumed, totalExpired, totalRevoked }: Sums): bigint {
  return totalConsumed + totalExpired + totalRevoked;
}

function comparePlaces(
  one: Pick<Kept, "epoch" | "feed">,
  other: Pick<Kept, "epoch" | "feed">,
): number {
  if (one.epoch !== other.epoch) return one.epoch < other.epoch ? -1 : 1;
  return one.feed < other.feed ? -1 : one.feed > other.feed ? 1 : 0;
}
