import { sql } from "kysely";
import type { Changes } from "../../ledger/batch.ts";
import { type Count, countOf } from "../../ledger/counts.ts";
import type { PolicyState } from "../../ledger/policy.ts";
import {
  bigintLists,
  bigints,
  booleans,
  type Columns,
  rowsOf,
  texts,
  times,
} from "../driver/columns.ts";
import { columnsOf, PolicyEntity, type PolicyRow } from "../driver/entities.ts";
import { fromTimestamptz } from "../driver/instant.ts";
import type { Run } from "../driver/transaction.ts";
import { fromPolicyText, toPolicyText } from "./policy-text.ts";
import type { Rows } from "./rows.ts";
import { insertAll, requireRows, type Write } from "./write.ts";

/** A member of an account. */
export type MemberOf = { readonly userId: string; readonly member: string };

/** The policies of accounts by user id, each list by name; an account without any is missing. */
export type Policies = ReadonlyMap<string, readonly PolicyState[]>;

/**
 * Loads the policies of these accounts, and of their limits for each member what the named members
 * have spent. If no account has any, it asks nothing.
 *
 * @param members asked for only then
 */
export async function loadPolicies(
  run: Run,
  places: Rows["accounts"],
  members: () => readonly MemberOf[],
): Promise<Policies> {
  const users: string[] = [];
  for (const [userId, { policies }] of places) if (policies > 0) users.push(userId);
  if (users.length === 0) return NO_POLICIES;
  const named = members().filter(
    ({ userId, member }) => member !== "" && (places.get(userId)?.policies ?? 0) > 0,
  );
  const keys = [...users.map((userId) => ({ userId, member: "" })), ...once(named)];
  const { rows } = await run(sql<PolicyRow>`
    select ${columnsOf(PolicyEntity, "policy")} from ${rowsOf({
      user_id: texts(keys, ({ userId }) => userId),
      member: texts(keys, ({ member }) => member),
    })} as asked
    join policy using (user_id, member)`);
  const byUser = Map.groupBy(rows, (row) => row.user_id);
  return new Map([...byUser].map(([userId, ofUser]) => [userId, toPolicies(ofUser)]));
}

const NO_POLICIES: Policies = new Map();

function once(members: readonly MemberOf[]): readonly MemberOf[] {
  return [...new Map(members.map((one) => [`${one.userId} ${one.member}`, one])).values()];
}

/** Converts the rows of one account. */
export function toPolicies(rows: readonly PolicyRow[]): readonly PolicyState[] {
  const counts = Map.groupBy(rows, ({ name }) => name);
  return rows
    .filter((row) => row.member === "")
    .map((row) => toPolicy(row, counts.get(row.name)!))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function toPolicy(row: PolicyRow, counted: readonly PolicyRow[]): PolicyState {
  const { name, rule, sequence, counts_from, ended, period, next_time } = row;
  if (rule === null || sequence === null || counts_from === null) {
    throw new Error(`policy ${name} of account ${row.user_id} has no rule`);
  }
  const time = next_time === null ? null : fromTimestamptz(next_time);
  const countsFrom = BigInt(counts_from);
  const counts = counted
    .flatMap((one) => toCount(one))
    .filter(([, { since }]) => since >= countsFrom);
  return {
    name,
    rule: fromPolicyText(rule).rule!,
    ended: ended ?? false,
    sequence: BigInt(sequence),
    countsFrom,
    next: period === null ? undefined : { period, time },
    given: (row.given ?? []).map(BigInt),
    counts: { base: new Map(counts), changed: undefined },
  };
}

function toCount({ member, since, until, spent }: PolicyRow): [string, Count][] {
  if (since === null || spent === null) return [];
  const end = until === null ? null : fromTimestamptz(until);
  return [[member, { since: BigInt(since), until: end, spent: BigInt(spent) }]];
}

/** The statements that write what changed of policies: at most two, and one if no row goes. */
export function savingPolicies({ policies, counts, gone }: Changes["policies"]): readonly Write[] {
  const rows = [...policies.map(toRow), ...counts.map(toCountRow)];
  return [rows.length > 0 && upsert(rows), gone.length > 0 && remove(gone)].filter(
    (write) => write !== false,
  );
}

/** What is written of a row, in the types of the ledger. */
type NewRow = MemberOf & {
  readonly name: string;
  readonly policy: PolicyState | undefined;
  readonly count: Count | undefined;
};

function toRow({ userId, ...policy }: Changes["policies"]["policies"][number]): NewRow {
  const { name, counts } = policy;
  return { userId, member: "", name, policy, count: countOf(counts, "") };
}

function toCountRow(one: Changes["policies"]["counts"][number]): NewRow {
  return { ...one, policy: undefined };
}

/** Where no row has a rule, as in most batches of a team, the rules' columns are left out. */
function upsert(rows: readonly NewRow[]): Write {
  const key = {
    user_id: texts(rows, ({ userId }) => userId),
    member: texts(rows, ({ member }) => member),
    name: texts(rows, ({ name }) => name),
  };
  const counted = {
    since: bigints(rows, ({ count }) => count?.since ?? null),
    until: times(rows, ({ count }) => count?.until ?? null),
    spent: bigints(rows, ({ count }) => count?.spent ?? null),
  };
  const hasRules = rows.some(({ policy }) => policy !== undefined);
  const changing = hasRules ? { ...counted, ...ruleColumns(rows) } : counted;
  const set = Object.keys(changing).map((column) => `${column} = excluded.${column}`);
  const onConflict = ` on conflict (user_id, member, name) do update set ${set.join(", ")}`;
  const columns = { ...key, ...changing };
  return insertAll({ table: "policy", columns, count: rows.length, onConflict });
}

function ruleColumns(rows: readonly NewRow[]): Columns {
  return {
    sequence: bigints(rows, ({ policy }) => policy?.sequence ?? null),
    counts_from: bigints(rows, ({ policy }) => policy?.countsFrom ?? null),
    rule: texts(rows, ({ policy }) => (policy === undefined ? null : toPolicyText(policy))),
    ended: booleans(rows, ({ policy }) => policy?.ended ?? null),
    period: sql`${bigints(rows, ({ policy }) => toBigint(policy?.next?.period))}::integer`,
    next_time: times(rows, ({ policy }) => policy?.next?.time ?? null),
    given: bigintLists(rows, ({ policy }) => policy?.given ?? []),
  };
}

/** What members have spent of a limit that is gone stays: another of its name counts anew. */
function remove(gone: Changes["policies"]["gone"]): Write {
  const removal = sql`
    delete from policy using ${rowsOf({
      user_id: texts(gone, ({ userId }) => userId),
      name: texts(gone, ({ name }) => name),
    })} as old
    where policy.user_id = old.user_id and policy.member = '' and policy.name = old.name`;
  return requireRows(removal, gone.length, "a policy of a locked account is gone");
}

function toBigint(value: number | undefined): bigint | null {
  return value === undefined ? null : BigInt(value);
}
