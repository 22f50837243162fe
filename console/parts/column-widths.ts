import type { CSSProperties } from "react";

/** How wide a column is. */
export type ColumnWidth = {
  /** In rem. Unset: it shares the room that is left with others like it. */
  readonly width?: number;
  /** The same in a narrow window. Unset: as in a wide one. */
  readonly narrowWidth?: number;
  /** True: a narrow window does without it. */
  readonly wideOnly?: boolean;
  /** How long the longest of its figures is: it is as wide as that at least. */
  readonly longest?: number;
};

/** What a column without a width of its own takes at least, in rem. */
const LEAST_REM = 8;

/** For the style sheet of a table: below these widths its box scrolls sideways. */
export function widthsOf(columns: readonly ColumnWidth[]): CSSProperties {
  const sum = (widths: readonly string[]) => `calc(${["0rem", ...widths].join(" + ")})`;
  const wide = sum(columns.map((column) => lengthOf(column.width ?? LEAST_REM, column)));
  const narrow = sum(
    columns
      .filter(({ wideOnly }) => !wideOnly)
      .map((column) => lengthOf(narrowWidthOf(column) ?? LEAST_REM, column)),
  );
  return { "--wide": wide, "--narrow": narrow } as CSSProperties;
}

/** The same for the head of a column. */
export function widthOf(column: ColumnWidth): CSSProperties {
  const text = (rem: number | undefined) => (rem === undefined ? "auto" : lengthOf(rem, column));
  const narrow = text(narrowWidthOf(column));
  return { "--width": text(column.width), "--narrow-width": narrow } as CSSProperties;
}

/** What a cell keeps free beside its text, in rem. */
const PADDING_REM = 1.25;

/** No separator is wider than a digit, so that no figure is longer than its characters. */
function lengthOf(rem: number, { longest = 0 }: ColumnWidth): string {
  return longest === 0 ? `${rem}rem` : `max(${rem}rem, ${longest}ch + ${PADDING_REM}rem)`;
}

function narrowWidthOf({ width, narrowWidth = width }: ColumnWidth): number | undefined {
  return narrowWidth;
}
