import { Text } from "@mantine/core";
import { useMemo } from "react";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { type Formats, useFormats } from "../app/formats.ts";
import { type Column, DataTable } from "../parts/data-table.tsx";
import { EntryLink } from "../parts/entry-link.tsx";
import { Instant } from "../parts/instant.tsx";
import type { More } from "../parts/more-entries.ts";
import { signOf } from "../parts/signs.ts";
import type { StatementRow } from "./arrange.ts";
import { EntryWhat } from "./entry-what.tsx";
import styles from "./statement.module.css";
import { useWords } from "./words.ts";

/** The entries of a statement, with the balance after each. */
export function StatementTable({
  user,
  rows,
  more,
}: {
  readonly user: string;
  readonly rows: readonly StatementRow[];
  readonly more: More;
}) {
  const say = useWords();
  const columns = useColumns(user, rows);
  return (
    <DataTable
      caption={say("title", { user })}
      columns={columns}
      rows={rows}
      rowKey={({ entry }) => String(entry.sequence)}
      more={more}
    />
  );
}

/** Columns that no entry would fill are left out. */
function useColumns(user: string, rows: readonly StatementRow[]): readonly Column<StatementRow>[] {
  const say = useWords();
  const formats = useFormats();
  const has = useMemo(() => {
    const some = (of: (entry: Entry) => unknown) => rows.some(({ entry }) => Boolean(of(entry)));
    return {
      service: some(({ usage }) => usage),
      member: some(({ member }) => member),
      actor: some(({ actor }) => actor),
      frozen: some(({ frozenAfter }) => frozenAfter),
    };
  }, [rows]);
  const head = (key: Head) => ({ key, title: say(key) });
  const text = (key: "service" | "member" | "actor", of: (entry: Entry) => string) =>
    has[key]
      ? [{ ...head(key), width: 7.5, wideOnly: true, cell: ({ entry }: StatementRow) => of(entry) }]
      : [];
  const { points } = formats;
  const frozenAfter = ({ entry }: StatementRow) =>
    entry.frozenAfter > 0n ? points(entry.frozenAfter) : "";
  return [
    {
      ...head("entry"),
      width: 5.5,
      narrowWidth: 4.5,
      cell: ({ entry }) => <EntryLink user={user} sequence={entry.sequence} />,
    },
    {
      ...head("time"),
      width: 11.5,
      wideOnly: true,
      cell: ({ entry: { createTime } }) => createTime && <Instant time={createTime} />,
    },
    { ...head("what"), cell: (row) => <EntryWhat user={user} row={row} /> },
    ...text("service", ({ usage }) => usage?.service ?? ""),
    ...text("member", ({ member }) => member),
    ...text("actor", ({ actor }) => actor),
    {
      ...head("points"),
      width: 7,
      narrowWidth: 4.5,
      figure: ({ entry }) => changeOf(entry, formats),
      cell: ({ entry }) => <Change entry={entry} />,
    },
    {
      ...head("balance"),
      width: 7.5,
      narrowWidth: 4.75,
      figure: ({ entry }) => points(entry.balanceAfter),
      cell: (row) => <After row={row}>{points(row.entry.balanceAfter)}</After>,
    },
    ...(has.frozen
      ? [
          {
            ...head("frozen"),
            width: 6.5,
            wideOnly: true,
            figure: frozenAfter,
            cell: (row: StatementRow) => <After row={row}>{frozenAfter(row)}</After>,
          },
        ]
      : []),
  ];
}

type Head =
  "entry" | "time" | "what" | "service" | "member" | "actor" | "points" | "balance" | "frozen";

/** What there was after an entry; paler where that was later than the line above. */
function After({ row, children }: { readonly row: StatementRow; readonly children: string }) {
  return (
    <Text span size="sm" {...(row.level > 0 && { c: "dimmed" })}>
      {children}
    </Text>
  );
}

function Change({ entry }: { readonly entry: Entry }) {
  const isAdded = signOf(entry.kind) > 0n;
  return (
    <span className={isAdded ? styles["plus"] : undefined}>{changeOf(entry, useFormats())}</span>
  );
}

function changeOf({ kind, points }: Entry, formats: Formats): string {
  const sign = signOf(kind);
  if (sign === 0n) return points === 0n ? "" : formats.points(points);
  return formats.change(sign * points);
}
