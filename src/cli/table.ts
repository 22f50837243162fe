/** A column of a table. */
export type Column = {
  readonly title: string;
  /** Numbers are aligned to the right. */
  readonly toRight?: boolean;
};

/** A table for people: the titles, a rule, and a line for each row. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  return growingTable(columns)(rows);
}

/**
 * A table whose rows come bit by bit. Its columns become wider with them, and never narrower.
 *
 * @returns gives the lines for the next rows, the first time with titles and rule
 */
export function growingTable(
  columns: readonly Column[],
): (rows: readonly (readonly string[])[]) => string {
  const titles = columns.map(({ title }) => title);
  let widths = titles.map(() => 0);
  let isOpen = false;
  const line = (row: readonly string[]) =>
    columns
      .map(({ toRight = false }, index) => {
        const cell = row[index] ?? "";
        const space = " ".repeat(widths[index]! - widthOf(cell));
        return toRight ? space + cell : cell + space;
      })
      .join("  ")
      .trimEnd();
  return (rows) => {
    const shown = isOpen ? rows : [titles, ...rows];
    widths = widths.map((width, index) =>
      Math.max(width, ...shown.map((row) => widthOf(row[index] ?? ""))),
    );
    if (isOpen) return rows.map(line).join("\n");
    isOpen = true;
    const rule = widths.map((width) => "─".repeat(width)).join("  ");
    return [line(titles), rule, ...rows.map(line)].join("\n");
  };
}

/** The width of a text on a terminal. Texts of callers may have Chinese characters or emoji. */
function widthOf(text: string): number {
  let width = 0;
  for (const char of text) width += NONE.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  return width;
}

const NONE = /[\p{Mark}\u200b-\u200d]/u;
const WIDE_SCRIPTS = ["Han", "Hangul", "Hiragana", "Katakana"].map((name) => `\\p{Script=${name}}`);
const WIDE = new RegExp(
  `[${WIDE_SCRIPTS.join("")}\\p{Emoji_Presentation}\\u3000-\\u303e\\uff01-\\uff60]`,
  "u",
);
