import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { type Allocation, type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import { type Column, table } from "./table.ts";

/** Entries as a table, a line each, in the order in which they come. */
export function statementTable(entries: readonly Entry[]): string {
  return table(
    COLUMNS,
    entries.map((entry) => [
      String(entry.sequence),
      timeText(entry.createTime),
      whatText(entry),
      entry.metadata["for"] ?? entry.usage?.service ?? "",
      pointsText(entry),
      String(entry.balanceAfter),
      String(entry.frozenAfter),
      lotsText(entry),
    ]),
  );
}

/** An instant in UTC, to the second. */
export function timeText(time: Timestamp | undefined): string {
  if (time === undefined) return "never";
  return new Date(Number(time.seconds) * 1000).toISOString().slice(0, 19).replace("T", " ");
}

/** Which points of which lots. */
export function allocationsText(allocations: readonly Allocation[]): string {
  return allocations.map(({ lot, points }) => `${points} of #${lot}`).join(", ");
}

const COLUMNS: readonly Column[] = [
  { title: "#", toRight: true },
  { title: "time (UTC)" },
  { title: "what" },
  { title: "for" },
  { title: "points", toRight: true },
  { title: "balance", toRight: true },
  { title: "frozen", toRight: true },
  { title: "lots" },
];

/** What a kind is called, and which way its points go, seen from the balance. */
const KINDS: Record<EntryKind, { name: string; sign: string }> = {
  [EntryKind.UNSPECIFIED]: { name: "unknown", sign: "" },
  [EntryKind.RECHARGE]: { name: "recharge", sign: "+" },
  [EntryKind.CONSUME]: { name: "consume", sign: "-" },
  [EntryKind.EXPIRE]: { name: "expire", sign: "-" },
  [EntryKind.FREEZE]: { name: "freeze", sign: "-" },
  // It spends what was frozen, and so is no longer in the balance.
  [EntryKind.SETTLE]: { name: "settle", sign: "" },
  [EntryKind.RELEASE]: { name: "release", sign: "+" },
  [EntryKind.REFUND]: { name: "refund", sign: "+" },
};

function whatText({ kind, refersTo }: Entry): string {
  // A newer server may have kinds that we do not know.
  const { name } = KINDS[kind] ?? KINDS[EntryKind.UNSPECIFIED];
  return refersTo === 0n ? name : `${name} #${refersTo}`;
}

function pointsText({ kind, points }: Entry): string {
  return `${points === 0n ? "" : (KINDS[kind]?.sign ?? "")}${points}`;
}

function lotsText({ allocations, returned }: Entry): string {
  const lots = allocationsText(allocations);
  return returned === 0n ? lots : `${lots === "" ? "" : `${lots}; `}${returned} went back`;
}
