import { expect, test } from "vitest";
import { compareBytes } from "../../src/encoding/byte-order.ts";

test("the order of bytes is that of texts in UTF-8", () => {
  const units = ["", "a", "\u007f", "é", "\ud7ff", "\ue000", "\uf8ff", "\uffff"];
  const texts = [...units, "\u{10000}", "\u{1f642}", "\u{1f643}", "\u{10ffff}"].flatMap((one) => [
    one,
    `${one}a`,
    `a${one}`,
    `${one}\ue000`,
    `${one}\u{10000}`,
  ]);
  for (const a of texts) {
    for (const b of texts) {
      const inBytes = Buffer.compare(Buffer.from(a), Buffer.from(b));
      expect([a, b, Math.sign(compareBytes(a, b))]).toEqual([a, b, inBytes]);
    }
  }
});
