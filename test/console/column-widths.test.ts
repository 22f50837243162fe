import { expect, test } from "vitest";
import { widthOf, widthsOf } from "../../console/parts/column-widths.ts";

test("a column is as wide as its longest figure, and the table as all of them", () => {
  const figure = { width: 7, narrowWidth: 4.5, longest: 21 };
  expect(widthOf(figure)).toEqual({
    "--width": "max(7rem, 21ch + 1.25rem)",
    "--narrow-width": "max(4.5rem, 21ch + 1.25rem)",
  });
  expect(widthsOf([{}, { width: 3, wideOnly: true }, figure])).toEqual({
    "--wide": "calc(0rem + 8rem + 3rem + max(7rem, 21ch + 1.25rem))",
    "--narrow": "calc(0rem + 8rem + max(4.5rem, 21ch + 1.25rem))",
  });
});
