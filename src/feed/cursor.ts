import type { Mark } from "./lives.ts";

/**
 * A place in the stream: behind all entries of earlier epochs, those of this one with a lower feed
 * number, and those of this feed number up to this entry. Entries of one feed number are in the order
 * of sequence, then hash: neither changes when an account gets another name.
 */
export type Place = {
  readonly epoch: bigint;
  readonly feed: bigint;
  /** 0: before all entries of the feed number. */
  readonly sequence: bigint;
  /** 8 bytes of the entry's hash, in hexadecimal; empty with sequence 0. */
  readonly hash: string;
};

/** Where a reader of the stream is. */
export type Cursor = {
  readonly place: Place;
  /** Newest first; the first is not before the place. None: nothing was read yet. */
  readonly marks: readonly Mark[];
};

/** The hash of a place. */
export const PLACE_HASH_BYTES = 8;

/** The place before all entries of a feed number. */
export function before(epoch: bigint, feed: bigint): Place {
  return { epoch, feed, sequence: 0n, hash: "" };
}

/** Below 0: the one is before the other. */
export function comparePlaces(one: Place, other: Place): number {
  return (
    compare(one.epoch, other.epoch) ||
    compare(one.feed, other.feed) ||
    compare(one.sequence, other.sequence) ||
    compare(one.hash, other.hash)
  );
}

function compare<T extends bigint | string>(one: T, other: T): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/**
 * The cursor as text, of at most 700 characters: letters, digits, dots, hyphens and tildes.
 *
 * @param ledgerId a UUID, whose beginning tells the cursors of two ledgers apart
 */
export function writeCursor(ledgerId: string, { place, marks }: Cursor): string {
  const { epoch, feed, sequence, hash } = place;
  const head = [VERSION, ledgerTag(ledgerId), epoch, feed];
  if (sequence > 0n) head.push(sequence, hash);
  const tail = marks.map((mark) =>
    [mark.epoch, mark.beginTime, mark.feed, mark.lsn].map((one) => one.toString(36)).join("-"),
  );
  return [head.join("."), ...tail].join("~");
}

/** Reads a cursor; undefined: it is none of this ledger. */
export function readCursor(ledgerId: string, text: string): Cursor | undefined {
  const [head = "", ...tail] = text.split("~");
  const found = HEAD.exec(head);
  const marks = tail.map((mark) => MARK.exec(mark)?.slice(1).map(fromBase36));
  if (found === null || marks.length > MAX_MARKS) return undefined;
  const [, ledger, epoch, feed, sequence = "0", hash = ""] = found;
  if (ledger !== ledgerTag(ledgerId)) return undefined;
  const numbers = [epoch!, feed!, sequence].map(BigInt);
  if ([...numbers, ...marks.flat()].some((one) => one === undefined || one > MAX)) return undefined;
  return {
    place: { epoch: numbers[0]!, feed: numbers[1]!, sequence: numbers[2]!, hash },
    marks: marks.map((mark) => {
      const [ofEpoch, beginTime, below, lsn] = mark!;
      return { epoch: ofEpoch!, beginTime: beginTime!, feed: below!, lsn: lsn! };
    }),
  };
}

function ledgerTag(ledgerId: string): string {
  return ledgerId.slice(0, 8);
}

const VERSION = "c1";
const MAX_MARKS = 16;
const MAX = 2n ** 63n - 1n;
const HEAD =
  /^c1\.([0-9a-f]{8})\.(0|[1-9]\d{0,18})\.(0|[1-9]\d{0,18})(?:\.([1-9]\d{0,18})\.([0-9a-f]{16}))?$/;
const MARK = /^([0-9a-z]{1,13})-([0-9a-z]{1,13})-([0-9a-z]{1,13})-([0-9a-z]{1,13})$/;

function fromBase36(digits: string): bigint {
  let number = 0n;
  for (const digit of digits) number = number * 36n + BigInt(Number.parseInt(digit, 36));
  return number;
}
