import type { Entry } from "../../gen/points/v1/account_pb.ts";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { fill, type Phrase } from "./phrase.ts";
import type { SentenceWords } from "./sentence-words.ts";

/** An entry with all that a sentence about it says. */
export type Subject = {
  readonly entry: Entry;
  /** What became of it: see GetEntryResponse. */
  readonly refunded: bigint;
  readonly revoked: bigint;
  readonly claimed: bigint;
  /** Entries that it names, as far as they are read: that which it is about, and those of lots. */
  readonly others: ReadonlyMap<bigint, Entry>;
  /** The newest entries about it, newest first. */
  readonly referring: readonly Entry[];
  /** Seconds since 1970. */
  readonly now: bigint;
};

/** How to say things in a language. */
export type Voice = {
  readonly words: SentenceWords;
  readonly formats: {
    readonly points: (points: bigint) => string;
    readonly day: (time: Timestamp) => string;
    readonly instant: (time: Timestamp) => string;
  };
};

/** A phrase by its key; a bigint is written as a number. */
export function say(
  { words, formats }: Voice,
  key: keyof SentenceWords,
  values: Readonly<Record<string, Phrase | string | bigint>> = {},
): Phrase {
  const written = Object.entries(values).map(([name, value]): [string, Phrase | string] => {
    return [name, typeof value === "bigint" ? formats.points(value) : value];
  });
  return fill(words[key], Object.fromEntries(written));
}

/** "1 point", "37 points" */
export function pointsOf(voice: Voice, n: bigint): Phrase {
  return say(voice, n === 1n ? "point_one" : "point_other", { n });
}

/** Says how many there are; of none, nothing. */
export function sayCount(voice: Voice, key: keyof SentenceWords, n: bigint): Phrase {
  return n > 0n ? say(voice, key, { n }) : [];
}
