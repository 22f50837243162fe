import { expect, test } from "vitest";
import { tokenIn } from "../../console/sign-in/token-in.ts";

test.each([
  ["abc.DEF-1_~+/=", "abc.DEF-1_~+/="],
  [" \u200babc\r\n\ufeff\u00a0", "abc"],
  ["", undefined],
  ["  ", undefined],
  ["中文token", undefined],
  ["“abc”", undefined],
  ["ab\u200bc", undefined],
  ["ab c", undefined],
  ["ab\nc", undefined],
  ["caf\u00e9", undefined],
])("in %j the token is %j", (text, token) => {
  expect(tokenIn(text)).toBe(token);
});
