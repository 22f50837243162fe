import { expect } from "vitest";
import { NO_TURN, takeTurn } from "../../src/projection/turn.ts";
import type { Orm } from "../../src/store/driver/orm.ts";
import { emptyProjection } from "../../src/store/projection/rebuild.ts";
import { until } from "./processes.ts";

/** Runs SQL, always in the same session; gives the rows as `pg` does. */
type Query = (sql: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

/** Takes turns until the index and the sums have all that was committed before. */
export async function projectAll(
  { orm, query }: { readonly orm: Orm; readonly query: Query },
  searchKeys: readonly string[] = [],
): Promise<void> {
  const hasAll = await whenCaughtUp(query);
  let state = NO_TURN;
  await until("the projector has caught up", async () => {
    // Else the next step is due in two seconds.
    await query("update points.projection set step_time = null");
    ({ state } = await takeTurn(orm, state, searchKeys));
    return hasAll();
  });
}

/** Builds the index and the sums anew, from all entries as they are now. */
export async function projectAnew(
  database: { readonly orm: Orm; readonly query: Query },
  searchKeys: readonly string[] = [],
): Promise<void> {
  await emptyProjection(database.orm, searchKeys);
  await projectAll(database, searchKeys);
}

/** Whether the index and the sums have all that is committed now. */
export async function whenCaughtUp(query: Query): Promise<() => Promise<boolean>> {
  const [row] = await query("select clock_timestamp()::text as now");
  return async () => {
    const passed = await query(
      "select from points.projection where caught_up_to between $1::timestamptz and clock_timestamp()",
      [row!["now"]],
    );
    return passed.length > 0;
  };
}

/**
 * Expects the index and the sums to be what a naive replay of all entries before their place makes.
 *
 * @returns how many entries that are
 */
export async function expectProjected(query: Query): Promise<number> {
  await query("begin isolation level repeatable read read only");
  try {
    const [place] = await query("select epoch, feed, search_keys from points.projection");
    const keys = place!["search_keys"] as readonly string[] | null;
    const rows = (await query(
      `select *, extract(epoch from create_time)::text as seconds from points.entry
      order by user_id, sequence`,
    )) as NaiveRow[];
    const isBefore = ({ epoch, feed }: NaiveRow) =>
      epoch < Number(place!["epoch"]) ||
      (epoch === Number(place!["epoch"]) && BigInt(feed) < BigInt(String(place!["feed"])));
    const before = rows.filter(isBefore);
    expect(await sumsIn(query)).toEqual(sumsOf(before, rows));
    expect(await termsIn(query)).toEqual(await hashed(query, termsOf(before, keys ?? [])));
    return before.length;
  } finally {
    await query("rollback");
  }
}

type NaiveRow = {
  user_id: string;
  sequence: string;
  kind: number;
  points: string;
  owed: string | null;
  uncovered: string | null;
  repaid: string | null;
  seconds: string;
  service: string | null;
  caller: string | null;
  category: string | null;
  member: string | null;
  refers_to: string | null;
  request_id: string | null;
  actor: string | null;
  metadata: Record<string, string> | null;
  epoch: number;
  feed: string;
};

const SETTLE = 5;
const REFUND = 7;

/** Sums by what they are of, as texts, in order. */
function sumsOf(before: readonly NaiveRow[], all: readonly NaiveRow[]): string[] {
  const named = new Map(all.map((row) => [`${row.user_id} ${row.sequence}`, row]));
  const serviceOf = (row: NaiveRow): string => {
    if (row.service !== null) return row.service;
    if (row.kind !== SETTLE && row.kind !== REFUND) return "";
    return serviceOf(named.get(`${row.user_id} ${row.refers_to}`)!);
  };
  const sums = new Map<string, [bigint, bigint, bigint, bigint, bigint]>();
  for (const row of before) {
    const bucket = Math.floor(Number(row.seconds) / 900);
    const of = [bucket, row.kind, serviceOf(row), row.caller ?? "", row.category ?? ""];
    for (const key of [
      [row.user_id, ...of, row.member ?? ""],
      ["", ...of, ""],
    ]) {
      const sum = sums.get(JSON.stringify(key)) ?? [0n, 0n, 0n, 0n, 0n];
      const { points, owed, uncovered, repaid } = row;
      const figures = ["1", points, owed, uncovered, repaid];
      figures.forEach((figure, at) => (sum[at]! += BigInt(figure ?? 0)));
      sums.set(JSON.stringify(key), sum);
    }
  }
  return [...sums].map(([key, sum]) => `${key} ${sum.join(" ")}`).toSorted();
}

async function sumsIn(query: Query): Promise<string[]> {
  const rows = await query("select * from points.entry_sum where bucket >= 0");
  return rows
    .map((row) => {
      const texts = ["service", "caller", "category", "member"].map((name) => row[name]);
      const key = JSON.stringify([row["user_id"], row["bucket"], row["kind"], ...texts]);
      const figures = ["entries", "points", "owed", "uncovered", "repaid"];
      return `${key} ${figures.map((name) => String(row[name])).join(" ")}`;
    })
    .toSorted();
}

type Said = { readonly term: string; readonly of: string };

function termsOf(before: readonly NaiveRow[], keys: readonly string[]): Said[] {
  return before.flatMap((row) => {
    const day = Math.floor(Number(row.seconds) / 86_400);
    const of = `${day} ${row.seconds} ${row.user_id} ${row.sequence}`;
    const pairs = Object.entries(row.metadata ?? {}).filter(([key]) => keys.includes(key));
    const terms = pairs.map(([key, value]) => ["metadata", key, value]);
    if (row.request_id !== null) terms.push(["request_id", "", row.request_id]);
    if (row.actor !== null) terms.push(["actor", "", row.actor]);
    return terms.map((term) => ({ term: term.join("\u001f"), of }));
  });
}

/** Terms as the table has them, in order. */
async function hashed(query: Query, said: readonly Said[]): Promise<string[]> {
  const rows = await query(
    "select hashtextextended(term, 0)::text as hash from unnest($1::text[]) with ordinality as said (term, at) order by at",
    [said.map(({ term }) => term)],
  );
  return said.map(({ of }, at) => `${String(rows[at]!["hash"])} ${of}`).toSorted();
}

async function termsIn(query: Query): Promise<string[]> {
  const rows =
    await query(`select concat_ws(' ', term, day, extract(epoch from create_time), user_id,
    sequence) as said from points.search_term`);
  return rows.map(({ said }) => String(said)).toSorted();
}
