import type { Micros } from "../ledger/time.ts";
import type { LotCursor } from "../store/reads/pages.ts";
import type { TermCursor } from "../store/reads/search.ts";

/** A keyset cursor: the key of a page's last row, as text in a page token. */
export type CursorCodec<Key> = {
  /** In ASCII, without line breaks. */
  readonly write: (key: Key) => string;
  /** Undefined if the text is no such key: another version may have written it. */
  readonly read: (text: string) => Key | undefined;
};

/** Entries and holds: a page goes on below a sequence. */
export const SEQUENCE_CURSOR: CursorCodec<bigint> = {
  write: String,
  read: (text) => (/^[1-9]\d{0,17}$/.test(text) ? BigInt(text) : undefined),
};

/**
 * Lots: a page goes on after a lot's place in burn order. 0: it has services, 1: it has none. No time:
 * it never expires. Then the account's sequence.
 */
export const LOT_CURSOR: CursorCodec<LotCursor> = {
  write: ({ priority, isScoped, expireTime, number, sequence }) =>
    `${priority}:${isScoped ? 0 : 1}:${expireTime ?? ""}:${number}:${sequence}`,
  read(text) {
    const [, priority, general, micros, number, sequence] =
      /^(\d{1,4}):([01]):(\d{1,18})?:([1-9]\d{0,17}):([1-9]\d{0,17})$/.exec(text) ?? [];
    if (number === undefined || sequence === undefined) return undefined;
    const expireTime = micros === undefined ? null : BigInt(micros);
    const place = { priority: Number(priority), isScoped: general === "0", expireTime };
    return { ...place, number: BigInt(number), sequence: BigInt(sequence) };
  },
};

/** Accounts: a page goes on behind a user id. */
export const USER_CURSOR: CursorCodec<string> = {
  write: (userId) => userId,
  read: (text) => (/^[!-~]{1,128}$/.test(text) ? text : undefined),
};

/** Entries that were searched for: a page goes on below a place. The user id may be none that there is. */
export const TERM_CURSOR: CursorCodec<TermCursor> = {
  write: ({ time, userId, sequence }) => `${time}:${sequence}:${userId}`,
  read(text) {
    const [, micros, sequence, userId] =
      /^(-?\d{1,18}):(\d{1,18}):([!-\x7f]{0,129})$/.exec(text) ?? [];
    if (micros === undefined || sequence === undefined || userId === undefined) return undefined;
    return { time: BigInt(micros), userId, sequence: BigInt(sequence) };
  },
};

/** A cursor of pages that may each be of another database, and when its page was as of. */
export type PagePlace<Key> = { readonly key: Key; readonly asOf: Micros };

/** Cursors that say when their page was as of: the next one must not be of an older state. */
export function withAsOf<Key>(cursors: CursorCodec<Key>): CursorCodec<PagePlace<Key>> {
  return {
    write: ({ key, asOf }) => `${asOf}:${cursors.write(key)}`,
    read(text) {
      const [, asOf, rest] = /^(\d{1,18}):(.*)$/.exec(text) ?? [];
      const key = rest === undefined ? undefined : cursors.read(rest);
      return asOf === undefined || key === undefined ? undefined : { key, asOf: BigInt(asOf) };
    },
  };
}
