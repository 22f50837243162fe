import { Text } from "@mantine/core";
import { useMemo } from "react";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { useFormats } from "../app/formats.ts";
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
  const column = (
    key:
      "entry" | "time" | "what" | "service" | "member" | "actor" | "points" | "balance" | "frozen",
    rest: Omit<Column<StatementRow>, "key" | "title">,
  ) => ({ key, title: say(key), ...rest });
  const text = (key: "service" | "member" | "actor", of: (entry: Entry) => string) =>
    has[key] ? [column(key, { width: 7.5, wideOnly: true, cell: ({ entry }) => of(entry) })] : [];
  const figure = (points: bigint, level: number) => (
    <Text span size="sm" {...(level > 0 && { c: "dimmed" })}>
      {formats.points(points)}
    </Text>
  );
  return [
    column("entry", {
      width: 5.5,
      narrowWidth: 4.5,
      cell: ({ entry }) => <EntryLink user={user} sequence={entry.sequence} />,
    }),
    column("time", {
      width: 11.5,
      wideOnly: true,
      cell: ({ entry: { createTime } }) => createTime && <Instant time={createTime} />,
    }),
    column("what", { cell: (row) => <EntryWhat user={user} row={row} /> }),
    ...text("service", ({ usage }) => usage?.service ?? ""),
    ...text("member", ({ member }) => member),
    ...text("actor", ({ actor }) => actor),
    column("points", {
      width: 7,
      narrowWidth: 4.5,
      align: "right",
      cell: ({ entry }) => <Change entry={entry} />,
    }),
    column("balance", {
      width: 7.5,
      narrowWidth: 4.75,
      align: "right",
      cell: ({ entry, level }) => figure(entry.balanceAfter, level),
    }),
    ...(has.frozen
      ? [
          column("frozen", {
            width: 6.5,
            align: "right",
            wideOnly: true,
            cell: ({ entry, level }) => entry.frozenAfter > 0n && figure(entry.frozenAfter, level),
          }),
        ]
      : []),
  ];
}

function Change({ entry: { kind, points } }: { readonly entry: Entry }) {
  const formats = useFormats();
  const sign = signOf(kind);
  if (sign === 0n) return points === 0n ? null : formats.points(points);
  return (
    <span className={sign > 0n ? styles["plus"] : undefined}>{formats.change(sign * points)}</span>
  );
}
