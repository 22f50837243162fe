/** A column's head, and a row's cell. A head that ends with a colon marks a column of figures. */
export type Column<Row> = readonly [head: string, cellOf: (row: Row) => string];

/** A Markdown table that is also legible as plain text. */
export function markdownTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const drawn = columns.map(([head, cellOf]) => {
    const isFigures = head.endsWith(":");
    const cells = [head.replace(/:$/, ""), ...rows.map(cellOf)];
    const width = Math.max(3, ...cells.map((cell) => cell.length));
    const rule = isFigures ? `${"-".repeat(width - 1)}:` : "-".repeat(width);
    const [first, ...rest] = cells.map((cell) =>
      isFigures ? cell.padStart(width) : cell.padEnd(width),
    );
    return [first, rule, ...rest];
  });
  const lines = Array.from({ length: rows.length + 2 }, (_, line) =>
    drawn.map((column) => column[line]).join(" | "),
  );
  return lines.map((line) => `| ${line} |`).join("\n");
}
