import { type RawBuilder, sql } from "kysely";
import type { Account } from "../ledger/account.ts";
import { type AccountRow, toAccount } from "../store/accounts.ts";
import { type EntryRow, toEntry } from "../store/entries.ts";
import { type HoldRow, toHold } from "../store/holds.ts";
import { type LotRow, toLot } from "../store/lots.ts";
import type { Run } from "../store/transaction.ts";
import type { Step } from "./replay.ts";

/** Which users' rows are meant: of these, or of all whose ids come after one, up to another. */
export type Span =
  | { readonly userIds: readonly string[] }
  | { readonly after: string | undefined; readonly upTo: string | undefined };

const PAGE_ENTRIES = 2_000;

/** The rows of accounts, in order of their users' ids. */
export async function readAccountRows(
  run: Run,
  span: Span,
  limit: number,
): Promise<readonly AccountRow[]> {
  const { rows } = await run(sql<AccountRow>`
    select * from points.account where ${within(span)} order by user_id limit ${limit}`);
  return rows;
}

/** The account that a row holds; undefined if it cannot be read. */
export function readAccountRow(row: AccountRow): Account | undefined {
  return readable(() => toAccount(row));
}

/**
 * Reads all entries of a span, with the rows that are named after them, in order of users' ids and
 * then of sequence, so many at a time.
 */
export async function* readSteps(run: Run, span: Span): AsyncGenerator<readonly Step[]> {
  let after: Place | undefined;
  for (;;) {
    const { rows: entries } = await run(sql<EntryRow>`
      select * from points.entry where ${within(span)} and ${compare("sequence", ">", after)}
      order by user_id, sequence limit ${PAGE_ENTRIES}`);
    const last = entries.length < PAGE_ENTRIES ? undefined : entries.at(-1);
    const upTo: Place | undefined = last && [last.user_id, last.sequence];

    const between = (column: "number" | "sequence") =>
      sql`${within(span)} and ${compare(column, ">", after)} and ${compare(column, "<=", upTo)}`;
    const lots = await run(sql<LotRow & OfUser>`
      select * from points.lot where ${between("number")}`);
    const holds = await run(sql<HoldRow>`
      select * from points.hold where ${between("number")}`);
    const refunds = await run(sql<RefundRow>`
      select * from points.refund where ${between("sequence")}`);

    yield joinParts([
      ...entries.map((row) => part("entry", row, row.sequence, readEntry)),
      ...lots.rows.map((row) => part("lot", row, row.number, (lot) => ({ lot: toLot(lot) }))),
      ...holds.rows.map((row) => part("hold", row, row.number, readHold)),
      ...refunds.rows.map((row) => part("refund row", row, row.sequence, readRefund)),
    ]);
    if (upTo === undefined) return;
    after = upTo;
  }
}

/** Of each user who has used a request id again, the first entry that does. */
export async function reusedRequests(
  run: Run,
  span: Span,
): Promise<ReadonlyMap<string, { readonly sequence: bigint; readonly requestId: string }>> {
  // The first half counts with the index alone. Nothing comes of either unless an index is broken,
  // or somebody wrote to the tables.
  const { rows } = await run(sql<{ user_id: string; request_id: string; sequence: string }>`
    select user_id, request_id, (
      select sequence from points.entry as again
      where again.user_id = entry.user_id and again.request_id = entry.request_id
      order by sequence offset 1 limit 1
    ) as sequence
    from points.entry
    where ${within(span)} and request_id is not null
    group by user_id, request_id having count(*) > 1
    union all
    select user_id, request_id, entry.sequence
    from points.receipt join points.entry using (user_id, request_id)
    where ${within(span)}
    order by 3 desc`);
  return new Map(
    rows.map(({ user_id: userId, request_id: requestId, sequence }) => [
      userId,
      { sequence: BigInt(sequence), requestId },
    ]),
  );
}

/** The receipts that belong to no account, or to a time that their account has not come to. */
export async function impossibleReceipts(
  run: Run,
  span: Span,
): Promise<readonly { userId: string; what: string }[]> {
  const { rows } = await run(sql<{ user_id: string; request_id: string; has_account: boolean }>`
    select user_id, request_id, account.sequence is not null as has_account
    from points.receipt left join points.account using (user_id)
    where ${within(span)}
      and (account.sequence is null or receipt.sequence not between 0 and account.sequence)
    order by user_id, request_id`);
  return rows.map(({ user_id: userId, request_id: id, has_account: hasAccount }) => ({
    userId,
    what: hasAccount ? `receipt ${id} is newer than the account` : `receipt ${id} has no account`,
  }));
}

type OfUser = { user_id: string };
type RefundRow = OfUser & { sequence: string; refunded: string };
type Place = readonly [userId: string, number: string];

function within(span: Span): RawBuilder<unknown> {
  if ("userIds" in span) return sql`user_id = any(${span.userIds}::text[])`;
  const { after, upTo } = span;
  const from = after === undefined ? sql`true` : sql`user_id > ${after}`;
  return upTo === undefined ? from : sql`${from} and user_id <= ${upTo}`;
}

/** Compares rows' places, in the order of the primary keys. */
function compare(
  column: "number" | "sequence",
  sign: ">" | "<=",
  place: Place | undefined,
): RawBuilder<unknown> {
  if (place === undefined) return sql`true`;
  const [userId, number] = place;
  return sql`(user_id, ${sql.ref(column)}) ${sql.raw(sign)} (${userId}::text, ${number}::bigint)`;
}

/** What one row has for its step. */
type Part = {
  readonly table: string;
  readonly userId: string;
  readonly number: string;
  readonly content: Partial<Step>;
};

function part<Row extends OfUser>(
  table: string,
  row: Row,
  number: string,
  read: (row: Row) => Partial<Step>,
): Part {
  const content = readable(() => read(row)) ?? { unreadable: `its ${table} cannot be read` };
  return { table, userId: row.user_id, number, content };
}

/** What is in columns that the hash of the entry does not cover must be empty. */
function readEntry(row: EntryRow): Partial<Step> {
  const { service, quantity, duration_nanos: duration, price_version: version } = row;
  const hasUsage = service !== null;
  if (hasUsage !== (version !== null)) throw new Error("a part of a usage");
  if (!hasUsage && (quantity !== null || duration !== null)) throw new Error("a part of a usage");
  if ((row.request_id === null) !== (row.fingerprint === null)) throw new Error("half a request");
  checkAllocations(row);
  return { entry: toEntry(row) };
}

function readHold(row: HoldRow): Partial<Step> {
  checkAllocations(row);
  return { hold: toHold(row) };
}

function readRefund({ refunded }: RefundRow): Partial<Step> {
  return { refunded: BigInt(refunded) };
}

function checkAllocations({ lots, lot_points: points }: Pick<HoldRow, "lots" | "lot_points">) {
  if (lots.length !== points.length) throw new Error("half an allocation");
}

/** What a row holds; undefined if it holds what no row can, such as an infinite time. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function joinParts(parts: readonly Part[]): readonly Step[] {
  const byPlace = Map.groupBy(parts, ({ userId, number }) => `${number} ${userId}`);
  return [...byPlace.values()].map(joinPart).toSorted(compareSteps);
}

function joinPart(parts: readonly Part[]): Step {
  const { userId, number } = parts[0]!;
  const tables = new Set(parts.map(({ table }) => table));
  const twice = tables.size === parts.length ? undefined : "is there twice";
  const none = { entry: undefined, lot: undefined, hold: undefined, refunded: undefined };
  const step = { userId, number: BigInt(number), ...none, unreadable: twice };
  return Object.assign(step, ...parts.map(({ content }) => content)) as Step;
}

function compareSteps(a: Step, b: Step): number {
  if (a.userId !== b.userId) return a.userId < b.userId ? -1 : 1;
  return a.number < b.number ? -1 : 1;
}
