import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Encoder } from "../../src/encoding/encoder.ts";
import { itemsIn, numberIn, readFields, textIn } from "../support/tagged-fields.ts";

const NOTHING = new Uint8Array();
const pair = (to: Encoder, [one, other]: readonly [bigint, bigint]) =>
  void to.number(1, one).number(2, other);

/** The bytes of a content, which overwrite what another content left behind. */
function encode(write: (to: Encoder) => unknown): Buffer {
  const encoder = new Encoder();
  encoder.begin(Buffer.alloc(300, 0xff));
  write(encoder.begin(NOTHING));
  return Buffer.from(encoder.encoded());
}

test.each<[string, (to: Encoder) => unknown, string]>([
  ["a number is its digits", (to) => to.number(2, 10n), "02 00000002 3130"],
  ["a number below zero has its sign", (to) => to.number(2, -1n), "02 00000002 2d31"],
  ["a text is its UTF-8", (to) => to.text(1, "aé🙂z"), "01 00000008 61 c3a9 f09f9982 7a"],
  ["bytes are themselves", (to) => to.bytes(9, Uint8Array.of(0, 255)), "09 00000002 00ff"],
  [
    "a list is a count, and items behind their lengths",
    (to) => to.messages(5, [[1n, 0n] as const, [0n, 0n] as const], pair),
    "05 00000012 00000002 00000006 010000000131 00000000",
  ],
  [
    "a map counts its keys, and is in their order",
    (to) =>
      to.map(
        8,
        new Map([
          ["b", ""],
          ["a", "1"],
        ]),
      ),
    "08 00000017 00000002 00000001 61 00000001 31 00000001 62 00000000",
  ],
  [
    "a message is its fields",
    (to) => to.message(4, [7n, 0n] as const, pair),
    "04 00000006 010000000137",
  ],
  [
    "zero, empty and absent are left out",
    (to) =>
      to
        .number(1, 0n)
        .text(2, "")
        .number(3, null)
        .messages(5, [], pair)
        .map(6, new Map())
        .message(7, [0n, 0n] as const, pair)
        .bytes(8, NOTHING)
        .number(9, 1n),
    "09 00000001 31",
  ],
])("%s", (_, write, hex) => {
  expect(encode(write).toString("hex")).toBe(hex.replaceAll(" ", ""));
});

const text = fc.string({ unit: "binary", maxLength: 20 }).filter((each) => each.isWellFormed());
const number = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });

test("what was encoded can be read back, so that no two contents are the same bytes", () => {
  const content = fc.record({
    number,
    text,
    bytes: fc.uint8Array({ maxLength: 40 }),
    list: fc.array(fc.tuple(number, number), { maxLength: 20 }),
    map: fc.array(fc.tuple(text, text), { maxLength: 20 }),
  });
  fc.assert(
    fc.property(content, (one) => {
      const map = new Map(one.map);
      const fields = readFields(
        encode((to) =>
          to
            .number(1, one.number)
            .text(2, one.text)
            .bytes(3, one.bytes)
            .messages(4, one.list, pair)
            .map(5, map),
        ),
      );
      expect(numberIn(fields, 1)).toBe(one.number);
      expect(textIn(fields, 2)).toBe(one.text);
      expect(Uint8Array.from(fields.get(3) ?? [])).toEqual(one.bytes);
      const items = itemsIn(fields, 4);
      expect(items.count).toBe(one.list.length);
      const pairs = items.items.map(readFields);
      expect(pairs.map((item) => [numberIn(item, 1), numberIn(item, 2)])).toEqual(one.list);
      const { count, items: flat } = itemsIn(fields, 5);
      expect(count).toBe(map.size);
      const sorted = [...map].toSorted(([a], [b]) => Buffer.from(a).compare(Buffer.from(b)));
      expect(flat.map(String)).toEqual(sorted.flat());
    }),
  );
});

test("a content of any size is hashed behind its prefix", () => {
  const prefix = Buffer.alloc(32, 1);
  const encoder = new Encoder();
  for (const size of [0, 1, 4_000, 5_000, 1_000_000, 3]) {
    const list = Array.from({ length: size / 100 }, (_, at) => [BigInt(at), 1n] as const);
    const write = (to: Encoder) => to.text(1, "ü".repeat(size)).messages(2, list, pair);
    const expected = createHash("sha256").update(prefix).update(encode(write)).digest();
    expect(write(encoder.begin(prefix)).sha256()).toEqual(expected);
  }
});
