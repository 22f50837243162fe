import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { isolated } from "../../app/isolated.ts";
import { fill, type Phrase } from "./phrase.ts";
import type { SentenceWords } from "./sentence-words.ts";

/** How to say things in a language. */
export type Voice = {
  readonly words: SentenceWords;
  readonly formats: {
    readonly points: (points: bigint) => string;
    readonly day: (time: Timestamp) => string;
    readonly instant: (time: Timestamp) => string;
    readonly length: (length: Duration) => string;
  };
};

/** A phrase by its key; a bigint is written as a number. */
export function say(
  { words, formats }: Voice,
  key: keyof SentenceWords,
  values: Readonly<Record<string, Phrase | string | bigint>> = {},
): Phrase {
  const written = Object.entries(values).map(([name, value]): [string, Phrase | string] => {
    if (typeof value === "string") return [name, isolated(value)];
    return [name, typeof value === "bigint" ? formats.points(value) : value];
  });
  return fill(words[key], Object.fromEntries(written));
}

/** "1 point", "37 points" */
export function pointsOf(voice: Voice, n: bigint): Phrase {
  return say(voice, n === 1n ? "point_one" : "point_other", { n });
}

/** Says how many there are, of one by the words that end with _one, if there are; of none, nothing. */
export function sayCount(voice: Voice, key: keyof SentenceWords, n: bigint): Phrase {
  if (n <= 0n) return [];
  const one = `${key}_one`;
  return say(voice, n === 1n && isKey(one, voice.words) ? one : key, { n });
}

function isKey(key: string, words: SentenceWords): key is keyof SentenceWords {
  return Object.hasOwn(words, key);
}
