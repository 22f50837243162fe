import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { EntryKind, EntryKindSchema } from "../../gen/points/v1/account_pb.ts";
import type { ListEntriesRequestSchema } from "../../gen/points/v1/points_pb.ts";

/** What a statement is to show, as its address has it: see `StatementSearch`. */
export type Filters = {
  readonly [Name in "kind" | "service" | "member" | "actor" | "from" | "to"]?: string;
};

/** What the address asks for, as the RPC takes it. What it cannot read there, it leaves out. */
export function requestOf({ user, ...filters }: Filters & { readonly user: string }) {
  const { from = "", to = "", kind = "", ...texts } = filters;
  const { service = "", member = "", actor = "" } = texts;
  return {
    userId: user,
    kinds: kindsOf(kind),
    startTime: startOf(from, 0),
    // The last day is one of the statement.
    endTime: startOf(to, 1),
    service,
    member,
    actor,
  } satisfies MessageInitShape<typeof ListEntriesRequestSchema>;
}

/** The kinds in a list such as "CONSUME,SETTLE", each once. */
export function kindsOf(list: string): EntryKind[] {
  const names = list.split(",");
  return KINDS.filter(({ name }) => names.includes(name)).map(({ kind }) => kind);
}

/** All kinds that an entry may have, as the address names them. */
export const KINDS: readonly { readonly name: string; readonly kind: EntryKind }[] =
  EntryKindSchema.values
    .filter(({ number }) => number !== EntryKind.UNSPECIFIED)
    .map(({ localName, number }) => ({ name: localName, kind: number as EntryKind }));

/** Whether it leaves out entries between those that it finds, so that no line joins them. */
export function hasGaps({ kind, service, member, actor }: Filters): boolean {
  return [kind, service, member, actor].some((text) => text !== undefined && text !== "");
}

/** The first instant of a day such as "2026-11-28", or of one after it, in the browser's time zone. */
function startOf(day: string, daysLater: 0 | 1): Timestamp | undefined {
  const [, year, month, date] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day)?.map(Number) ?? [];
  if (year === undefined || month === undefined || date === undefined) return undefined;
  const start = new Date(year, month - 1, date);
  if (start.getMonth() !== month - 1 || start.getDate() !== date) return undefined;
  return timestampFromDate(new Date(year, month - 1, date + daysLater));
}
