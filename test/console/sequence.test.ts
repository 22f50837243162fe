import { expect, test } from "vitest";
import { readingsOf } from "../../console/find/readings.ts";
import { sequenceOf } from "../../console/parts/sequence.ts";

const MAX = "9223372036854775807";

test.each([
  ["1", 1n],
  [MAX, 2n ** 63n - 1n],
  ["9223372036854775808", undefined],
  ["9999999999999999999", undefined],
  ["0", undefined],
  ["01", undefined],
  ["-1", undefined],
  ["1.0", undefined],
  ["１", undefined],
  ["", undefined],
])("%s is the number %s of an entry", (text, sequence) => {
  expect(sequenceOf(text)).toBe(sequence);
});

test("the box takes the same numbers", () => {
  expect(readingsOf(`ada#${MAX}`).entry).toEqual({ user: "ada", sequence: 2n ** 63n - 1n });
  expect(readingsOf("ada#9223372036854775808").entry).toBeUndefined();
});
