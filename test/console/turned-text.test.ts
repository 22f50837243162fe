import { expect, test } from "vitest";
import { isolated } from "../../console/app/isolated.ts";

test.each([
  ["", ""],
  ["Li Lei", "Li Lei"],
  ["李雷 <3 ½ 😀", "李雷 <3 ½ 😀"],
  ["דנה", "\u2068דנה\u2069"],
  ["Li\u202e", "\u2068Li\u2069"],
  ["\u202eLi\u202c", "\u2068Li\u2069"],
  ["a\u2069\u202eb", "\u2068ab\u2069"],
  ["a\u2067b", "\u2068a\u2067b\u2069\u2069"],
  ["a\u2067b\u2069c\u2069", "\u2068a\u2067b\u2069c\u2069"],
  ["a\u2029\u202eb", "\u2068ab\u2069"],
])("%j stands among other words as %j", (text, apart) => {
  expect(isolated(text)).toBe(apart);
  // Words of words: it stays whole.
  expect(isolated(isolated(text))).toBe(apart === text ? text : `\u2068${apart}\u2069`);
});
