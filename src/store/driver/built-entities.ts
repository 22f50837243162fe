import { defineEntity, p } from "@mikro-orm/postgresql";
import type { HeldSumsText, LargeAccountText } from "../reads/overview-text.ts";
import { id, instant, type RowOf, userId } from "./entities.ts";

// The tables that are built from the journal and the accounts: see src/projection/.

const sum = () => p.decimal("string").columnType("numeric");

/** A single row: how far the tables that are built from the journal have come. */
export const ProjectionEntity = defineEntity({
  name: "Projection",
  tableName: "projection",
  properties: {
    id: p.smallint().primary().autoincrement(false),
    epoch: p.integer(),
    feed: p.bigint(),
    searchKeys: p.array().nullable(),
    caughtUpTo: instant().nullable(),
    stepTime: instant().nullable(),
  },
});

export type ProjectionRow = RowOf<typeof ProjectionEntity>;

/** Where entries are that have a term. `day` is that of `createTime`, in days since 1970, UTC. */
export const SearchTermEntity = defineEntity({
  name: "SearchTerm",
  tableName: "search_term",
  properties: {
    day: p.integer().primary(),
    term: p.bigint().primary(),
    createTime: instant().primary(),
    userId: userId(),
    sequence: p.bigint().primary(),
  },
});

/** Sums over the entries of a quarter of an hour; without a user, of all. */
export const EntrySumEntity = defineEntity({
  name: "EntrySum",
  tableName: "entry_sum",
  properties: {
    userId: userId(),
    bucket: p.integer().primary(),
    kind: p.smallint().primary(),
    service: id().primary(),
    caller: id().primary(),
    category: id().primary(),
    member: id().primary(),
    entries: p.bigint(),
    points: sum(),
    owed: sum(),
    uncovered: sum(),
    repaid: sum(),
  },
});

/** A single row: what the last scan over all accounts has found, and who scans now. */
export const OverviewEntity = defineEntity({
  name: "Overview",
  tableName: "overview",
  properties: {
    id: p.smallint().primary().autoincrement(false),
    leasedUntil: instant().nullable(),
    asOf: instant().nullable(),
    endTime: instant().nullable(),
    sums: p.json<HeldSumsText>().nullable(),
    largest: p.json<readonly LargeAccountText[]>().nullable(),
  },
});
