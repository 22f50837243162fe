import { Table } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useId, useMemo, useRef } from "react";
import { type ColumnWidth, widthOf, widthsOf } from "./column-widths.ts";
import styles from "./data-table.module.css";
import { type More, useMore } from "./more-entries.ts";

/** A column of a table. */
export type Column<Row> = Omit<ColumnWidth, "longest"> & {
  readonly key: string;
  readonly title: string;
} & (
    | { readonly cell: Cell<Row>; readonly figure?: never }
    | {
        /** Figures go to the right, and are never cut: the longest makes its column wide enough. */
        readonly figure: (row: Row) => string;
        /** How the figure looks. Unset: as its text. */
        readonly cell?: Cell<Row>;
      }
  );

type Cell<Row> = (row: Row) => ReactNode;

/**
 * A table of any length, in a box of its own: only the rows in sight are in the page. The box takes
 * the focus, so that arrows and page keys scroll it.
 */
export function DataTable<Row>({
  caption,
  columns: asked,
  rows,
  rowKey,
  more,
}: {
  /** What the table is, for whoever hears the page. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  /** Asked for the next page near the end. Undefined: these are all. */
  readonly more?: More | undefined;
}) {
  const captionId = useId();
  const columns = useMeasured(asked, rows);
  const box = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    overscan: OVERSCAN,
    getItemKey: (index) => rowKey(rows[index]!),
  });
  const items = virtual.getVirtualItems();
  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  const isNearEnd = (items.at(-1)?.index ?? 0) >= rows.length - OVERSCAN;
  useMore(isNearEnd, more);
  return (
    <div ref={box} className={styles["box"]} role="group" aria-labelledby={captionId} tabIndex={0}>
      <Table
        layout="fixed"
        fz="sm"
        aria-rowcount={more?.hasMore ? -1 : rows.length + 1}
        className={styles["table"]}
        style={widthsOf(columns)}
      >
        <caption id={captionId} className={styles["caption"]}>
          {caption}
        </caption>
        <Head columns={columns} />
        <Table.Tbody>
          <Spacer height={before} />
          {items.map(({ key, index }) => (
            <Table.Tr
              key={key}
              ref={virtual.measureElement}
              data-index={index}
              aria-rowindex={index + 2}
            >
              {columns.map((column) => (
                <Table.Td key={column.key} className={classOf(column)}>
                  {cellOf(column)(rows[index]!)}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
          <Spacer height={after} />
        </Table.Tbody>
      </Table>
    </div>
  );
}

type Measured<Row> = Column<Row> & ColumnWidth;

/** The columns with the length of their longest figures, also of rows out of sight. */
function useMeasured<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): readonly Measured<Row>[] {
  return useMemo(
    () =>
      columns.map((column) => {
        const { figure } = column;
        if (figure === undefined) return column;
        const longest = rows.reduce((most, row) => Math.max(most, figure(row).length), 0);
        return { ...column, longest };
      }),
    [columns, rows],
  );
}

/** What a row is taken to be high until it is seen. */
const ROW_PX = 40;
const OVERSCAN = 20;

function Head<Row>({ columns }: { readonly columns: readonly Measured<Row>[] }) {
  return (
    <Table.Thead className={styles["head"]}>
      <Table.Tr aria-rowindex={1}>
        {columns.map((column) => (
          <Table.Th
            key={column.key}
            scope="col"
            className={classOf(column)}
            style={widthOf(column)}
          >
            {column.title}
          </Table.Th>
        ))}
      </Table.Tr>
    </Table.Thead>
  );
}

/** Stands for the rows out of sight. One cell: more would make columns where some are hidden. */
function Spacer({ height }: { readonly height: number }) {
  if (height <= 0) return null;
  return (
    <tr aria-hidden>
      <td className={styles["spacer"]} style={{ height }} />
    </tr>
  );
}

function cellOf<Row>(column: Column<Row>): Cell<Row> {
  return column.figure === undefined ? column.cell : (column.cell ?? column.figure);
}

function classOf<Row>({ figure, wideOnly }: Column<Row>): string {
  return [styles["cell"], figure && styles["right"], wideOnly && styles["wideOnly"]]
    .filter(Boolean)
    .join(" ");
}
