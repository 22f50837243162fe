import type { Random } from "../support/random.ts";

const SIZE_MAX = 60_000;
const BYTES = [0, 1, 0x0a, 0x7f, 0x80, 0xc0, 0xfe, 0xff];
const NUMBERS = [0, 1, 0xff, 0xffff, 0x10_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

/** Mutates bytes one to four times. */
export function mutated(random: Random, original: Uint8Array): Buffer {
  let bytes: Buffer = Buffer.from(original);
  for (let left = 1 + random.below(4); left > 0; left -= 1) {
    bytes = random.pick(CHANGES)(random, bytes).subarray(0, SIZE_MAX);
  }
  return bytes;
}

type Change = (random: Random, bytes: Buffer) => Buffer;

const CHANGES: readonly Change[] = [
  function flip(random, bytes) {
    if (bytes.length > 0) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    return bytes;
  },
  function set(random, bytes) {
    if (bytes.length > 0) bytes[random.below(bytes.length)] = random.pick(BYTES);
    return bytes;
  },
  function number(random, bytes) {
    const places = bytes.length - 3;
    if (places > 0) bytes.writeUInt32BE(random.pick(NUMBERS), random.below(places));
    return bytes;
  },
  function insert(random, bytes) {
    const more = Array.from({ length: 1 + random.below(12) }, () => random.below(256));
    return spliced(bytes, random.below(bytes.length + 1), 0, Buffer.from(more));
  },
  function remove(random, bytes) {
    return spliced(bytes, random.below(bytes.length + 1), 1 + random.below(8));
  },
  function cut(random, bytes) {
    return bytes.subarray(0, random.below(bytes.length + 1));
  },
  function repeat(random, bytes) {
    const at = random.below(bytes.length + 1);
    const part = bytes.subarray(at, at + 1 + random.below(40));
    const count = random.pick([1, 2, 20, 1_000]);
    return spliced(bytes, at, 0, Buffer.concat(Array<Buffer>(count).fill(part)));
  },
];

function spliced(bytes: Buffer, at: number, without: number, more: Uint8Array = Buffer.alloc(0)) {
  return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at + without)]);
}

const WORDS = [
  "1e3",
  "1.5",
  "-1",
  "1e400",
  "9007199254740993",
  '"9223372036854775808"',
  "null",
  "true",
  "{}",
  "[]",
  "[[[[",
  '"\\ud800"',
  '"\\u0000"',
  '"__proto__"',
  '"constructor"',
  '""',
  '"2099-02-30T25:00:00Z"',
  '"315576000001s"',
  "{",
  "}",
  ",",
  ":",
  '"',
];

/** Mutates JSON: replaces a value or a character of it, or mutates its bytes. */
export function mutatedJson(random: Random, text: string): Buffer {
  if (random.chance(0.3)) return mutated(random, Buffer.from(text));
  const tokens = text.match(/"[^"]*"|[\d.]+|[{}[\],:]|\w+/g) ?? [];
  for (let left = 1 + random.below(3); left > 0; left -= 1) {
    const word = random.chance(0.3) ? random.pick(tokens) : random.pick(WORDS);
    tokens.splice(random.below(tokens.length), random.below(2), word);
  }
  return Buffer.from(tokens.join(""));
}
