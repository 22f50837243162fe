import type { CSSProperties } from "react";

/** How wide a column is. */
export type ColumnWidth = {
  /** In rem. Unset: it shares the room that is left with others like it. */
  readonly width?: number;
  /** The same in a narrow window. Unset: as in a wide one. */
  readonly narrowWidth?: number;
  /** True: a narrow window does without it. */
  readonly wideOnly?: boolean;
};

/** What a column without a width of its own takes at least, in rem. */
const LEAST_REM = 8;

/** For the style sheet of a table: below these widths its box scrolls sideways. */
export function widthsOf(columns: readonly ColumnWidth[]): CSSProperties {
  const sum = (widths: readonly (number | undefined)[]) =>
    `${widths.reduce((total: number, width = LEAST_REM) => total + width, 0)}rem`;
  const wide = sum(columns.map(({ width }) => width));
  const narrow = sum(columns.filter(({ wideOnly }) => !wideOnly).map(narrowWidthOf));
  return { "--wide": wide, "--narrow": narrow } as CSSProperties;
}

/** The same for the head of a column. */
export function widthOf(column: ColumnWidth): CSSProperties {
  const text = (rem: number | undefined) => (rem === undefined ? "auto" : `${rem}rem`);
  const narrow = text(narrowWidthOf(column));
  return { "--width": text(column.width), "--narrow-width": narrow } as CSSProperties;
}

function narrowWidthOf({ width, narrowWidth = width }: ColumnWidth): number | undefined {
  return narrowWidth;
}
