import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { EntryKind, EntryKindSchema } from "../../gen/points/v1/account_pb.ts";
import type { ListEntriesRequestSchema } from "../../gen/points/v1/points_pb.ts";
import { type Day, daysLater, startOf } from "../parts/days.ts";

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
    startTime: startTimeOf(from),
    // The last day is one of the statement.
    endTime: startOf(to) && startTimeOf(daysLater(to, 1)),
    service,
    member,
    actor,
  } satisfies MessageInitShape<typeof ListEntriesRequestSchema>;
}

/** The kinds in a list such as "CONSUME,SETTLE", each once, in whatever case. */
export function kindsOf(list: string): EntryKind[] {
  const names = list.toUpperCase().split(",");
  return KINDS.filter(({ name }) => names.includes(name)).map(({ kind }) => kind);
}

/** What of such a list is no kind: it leaves nothing out. */
export function unknownKinds(list: string): string[] {
  return list.split(",").filter((name) => name !== "" && kindsOf(name).length === 0);
}

/** All kinds that an entry may have, as the address names them. */
export const KINDS: readonly { readonly name: string; readonly kind: EntryKind }[] =
  EntryKindSchema.values
    .filter(({ number }) => number !== EntryKind.UNSPECIFIED)
    .map(({ localName, number }) => ({ name: localName, kind: number as EntryKind }));

/** Whether it leaves out entries between those that it finds, so that no line joins them. */
export function hasGaps({ kind, service, member, actor }: Filters): boolean {
  return kindsOf(kind ?? "").length > 0 || [service, member, actor].some(Boolean);
}

function startTimeOf(day: Day): Timestamp | undefined {
  const start = startOf(day);
  return start && timestampFromDate(start);
}
