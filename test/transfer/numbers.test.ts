import { expect, test } from "vitest";
import { NumbersByName } from "../../src/transfer/numbers.ts";

test("numbers are found by their names, also among many", () => {
  const numbers = new NumbersByName();
  const names = Array.from({ length: 20_000 }, (_, index) => `user-${index}`);
  for (const [index, name] of names.entries()) {
    expect(numbers.get(name)).toBe(0);
    numbers.set(name, index + 1);
  }
  expect(names.map((name) => numbers.get(name))).toEqual(names.map((_, index) => index + 1));
  numbers.set("user-7", 2 ** 32 - 1);
  expect([numbers.get("user-7"), numbers.get("user-8"), numbers.get("nobody")]).toEqual([
    2 ** 32 - 1,
    9,
    0,
  ]);
});
