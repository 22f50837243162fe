import { isDeepStrictEqual } from "node:util";
import { type RawBuilder, sql } from "kysely";
import { GENESIS_HASH } from "../ledger/account.ts";
import { KIND_NUMBERS } from "../ledger/entry-kinds.ts";
import type { Entry } from "../ledger/entry.ts";
import type { Hold } from "../ledger/hold.ts";
import type { Lot } from "../ledger/lot.ts";
import type { Revocation } from "../ledger/claim.ts";
import type { Receipt } from "../ledger/receipt.ts";
import { toEntry } from "../store/batch/entries.ts";
import { toHold } from "../store/batch/holds.ts";
import { toLot } from "../store/batch/found-lots.ts";
import { toPricing } from "../store/batch/pricing.ts";
import type {
  EntryRow,
  HoldRow,
  LotRow,
  ReceiptEntity,
  UndoneEntity,
  RowOf,
} from "../store/driver/entities.ts";
import type { Run } from "../store/driver/transaction.ts";
import type { StreamPlace } from "./epochs.ts";
import { type ReadAccount, readable, type Span, within } from "./accounts.ts";

/** An open lot, and whether it is in its account's row. */
export type StoredLot = Lot & { readonly inRow: boolean };

/** A receipt's row, joined with the entry that it is about. */
export type ReadReceipt = Receipt & {
  /**
   * The hash of the entry of its sequence; of sequence 0: the hash that the first entry chains to;
   * undefined: the entry is missing.
   */
  readonly entryHash: Uint8Array | undefined;
  /** Whether the ledger booked that entry by itself. */
  readonly isOfLedger: boolean;
  /** Whether that entry still has what is personal; false: it was erased, or is missing. */
  readonly entryIsKept: boolean;
};

/** All rows of one name: an entry, and the rows that are named after it. */
export type Step = {
  readonly userId: string;
  /** The entry's sequence, and the number of the lot or hold that it made. */
  readonly number: bigint;
  readonly entry: Entry | undefined;
  /** Of the entry. */
  readonly place: StreamPlace | undefined;
  readonly lot: StoredLot | undefined;
  readonly hold: Hold | undefined;
  /** How many points of the entry have been refunded, by its undone row. */
  readonly refunded: bigint | undefined;
  /** What was revoked of the lot that the entry made, by its undone row. */
  readonly revocation: Revocation | undefined;
  /** Why the rows cannot be read, if they cannot. */
  readonly unreadable: string | undefined;
};

const PAGE_ENTRIES = 2_000;

/**
 * Reads all entries of a span with the rows that are named after them, in order of user id and
 * sequence, in pages of 2,000 entries by keyset cursor.
 *
 * @param accounts the span's accounts, whose rows hold lots
 */
export async function* readSteps(
  run: Run,
  span: Span,
  accounts: readonly ReadAccount[],
): AsyncGenerator<readonly Step[]> {
  const inRows = accounts.flatMap(({ userId, lots }) => lots.map((lot) => toRowLot(userId, lot)));
  let after: Place | undefined;
  for (;;) {
    const { rows: entries } = await run(sql<EntryRow>`
      select * from entry where ${within(span)} and ${compare("sequence", ">", after)}
      order by user_id, sequence limit ${PAGE_ENTRIES}`);
    const last = entries.length < PAGE_ENTRIES ? undefined : entries.at(-1);
    const upTo: Place | undefined = last && [last.user_id, last.sequence];

    const between = (column: "number" | "sequence") =>
      sql`${within(span)} and ${compare(column, ">", after)} and ${compare(column, "<=", upTo)}`;
    const lots = await run(sql<LotRow>`
      select * from lot where ${between("number")}`);
    const holds = await run(sql<HoldRow>`
      select * from hold where ${between("number")}`);
    const undone = await run(sql<UndoneRow>`
      select * from undone where ${between("sequence")}`);

    yield joinParts([
      ...entries.map((row) => part("entry", row, readEntry)),
      ...inRows.filter((lot) => isBetween(lot, after, upTo)),
      ...lots.rows.map((row) =>
        part("lot", row, (lot) => ({ lot: { ...toLot(lot), inRow: false } })),
      ),
      ...holds.rows.map((row) => part("hold", row, readHold)),
      ...undone.rows.map((row) => part("undone row", row, readUndone)),
    ]);
    if (upTo === undefined) return;
    after = upTo;
  }
}

/** Reads all receipts of a span, in order of user id and number, in pages of 2,000. */
export async function* readReceipts(run: Run, span: Span): AsyncGenerator<readonly ReadReceipt[]> {
  let after: Place | undefined;
  for (;;) {
    const { rows } = await run(sql<ReceiptRow>`
      select receipt.*, entry.hash as entry_hash,
        (entry.kind in (${sql.lit(KIND_NUMBERS.expire)}, ${sql.lit(KIND_NUMBERS.release)})
          or entry.from_claim or entry.cause is not null) and entry.fingerprint is null as is_of_ledger,
        entry.hash is not null and entry.personal_digest is null as entry_is_kept
      from receipt left join entry using (user_id, sequence)
      where ${within(span)} and ${compare("number", ">", after)}
      order by user_id, number limit ${PAGE_ENTRIES}`);
    yield rows.map(toReadReceipt);
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE_ENTRIES) return;
    after = [last.user_id, last.number];
  }
}

/** A request id that was used twice. */
export type ReusedRequest = {
  readonly requestId: string;
  /** The first entry that repeats it; undefined: only receipts do. */
  readonly sequence: bigint | undefined;
};

/** The first reused request id of each user who has one, by user id. */
export async function reusedRequests(
  run: Run,
  span: Span,
): Promise<ReadonlyMap<string, ReusedRequest>> {
  // The groups are counted by index-only scans. They are empty unless a unique index is broken or
  // dropped.
  const { rows } = await run(sql<ReusedRow>`
    select user_id, request_id, (
      select sequence from entry as again
      where again.user_id = entry.user_id and again.request_id = entry.request_id
      order by sequence offset 1 limit 1
    ) as sequence
    from entry
    where ${within(span)} and request_id is not null
    group by user_id, request_id having count(*) > 1
    union all
    select user_id, request_id, entry.sequence
    from receipt join entry using (user_id, request_id)
    where ${within(span)}
    union all
    select user_id, request_id, null
    from receipt
    where ${within(span)} and request_id is not null
    group by user_id, request_id having count(*) > 1
    order by sequence desc nulls first`);
  return new Map(
    rows.map(({ user_id: userId, request_id: requestId, sequence }) => [
      userId,
      { requestId, sequence: sequence === null ? undefined : BigInt(sequence) },
    ]),
  );
}

type OfUser = { user_id: string };
type ReusedRow = OfUser & { request_id: string; sequence: string | null };
type UndoneRow = RowOf<typeof UndoneEntity>;
type ReceiptRow = RowOf<typeof ReceiptEntity> & {
  entry_hash: Uint8Array | null;
  is_of_ledger: boolean | null;
  entry_is_kept: boolean;
};
type Place = readonly [userId: string, number: string];

/** A keyset condition, in the order of the primary keys. */
function compare(
  column: "number" | "sequence",
  sign: ">" | "<=",
  place: Place | undefined,
): RawBuilder<unknown> {
  if (place === undefined) return sql`true`;
  const [userId, number] = place;
  return sql`(user_id, ${sql.ref(column)}) ${sql.raw(sign)} (${userId}::text, ${number}::bigint)`;
}

/** One row's part of a step. */
type Part = {
  readonly table: string;
  readonly userId: string;
  readonly number: string;
  readonly content: Partial<Step>;
};

function part<Row extends OfUser & ({ number: string } | { sequence: string })>(
  table: string,
  row: Row,
  read: (row: Row) => Partial<Step>,
): Part {
  const number = "number" in row ? row.number : row.sequence;
  const content = readable(() => read(row)) ?? { unreadable: `its ${table} cannot be read` };
  return { table, userId: row.user_id, number, content };
}

function toRowLot(userId: string, lot: Lot): Part {
  const content = { lot: { ...lot, inRow: true } };
  return { table: "lot", userId, number: String(lot.number), content };
}

/** The same as `compare`, in the order of the database's ids: that of their bytes, all ASCII. */
function isBetween(
  { userId, number }: Part,
  after: Place | undefined,
  upTo: Place | undefined,
): boolean {
  const isUpTo = ([user, last]: Place) =>
    userId < user || (userId === user && BigInt(number) <= BigInt(last));
  return (after === undefined || !isUpTo(after)) && (upTo === undefined || isUpTo(upTo));
}

/** @throws if a column that the entry's hash does not cover is not empty */
function readEntry(row: EntryRow): Partial<Step> {
  const { service, quantity, duration_nanos: duration, price_version: version, pricing } = row;
  const hasUsage = service !== null;
  if (hasUsage !== (version !== null)) throw new Error("a part of a usage");
  const hasAmount = quantity !== null || duration !== null || pricing !== null;
  if (!hasUsage && hasAmount) throw new Error("a part of a usage");
  const isHalf = (row.request_id === null) !== (row.fingerprint === null);
  if (isHalf && row.personal_digest === null) throw new Error("half a request");
  const entry = toEntry(row);
  const isEmpty = entry.expireTime === 0n || row.services?.length === 0 || row.kept_open === false;
  if (MAY_BE_NULL.some((column) => isZero(row[column])) || isEmpty) {
    throw new Error("a zero or an empty text, which is hashed as nothing");
  }
  const said = entry.usage === null ? undefined : toPricing(entry.usage);
  if (!isDeepStrictEqual(pricing ?? undefined, said)) {
    throw new Error("a pricing with what is not hashed");
  }
  return { entry, place: { epoch: row.epoch, feed: BigInt(row.feed) } };
}

const MAY_BE_NULL = [
  "refers_to",
  "service",
  "quantity",
  "duration_nanos",
  "request_id",
  "caller",
  "category",
  "hold_settled",
] as const;

function isZero(value: string | null): boolean {
  return value === "" || value === "0";
}

function readHold(row: HoldRow): Partial<Step> {
  return { hold: toHold(row) };
}

function readUndone(row: UndoneRow): Partial<Step> {
  const [refunded, revoked, claimed] = [row.refunded, row.revoked, row.claimed].map(BigInt);
  return {
    ...(refunded! > 0n && { refunded: refunded! }),
    ...(revoked! > 0n && { revocation: { revoked: revoked!, claimed: claimed! } }),
  };
}

function toReadReceipt(row: ReceiptRow): ReadReceipt {
  const { request_id: id, fingerprint, personal_digest: personalDigest } = row;
  const sequence = BigInt(row.sequence);
  return {
    userId: row.user_id,
    number: BigInt(row.number),
    request: fingerprint === null ? undefined : { id: id ?? "", fingerprint },
    ...(personalDigest !== null && { personalDigest }),
    sequence,
    madeEntry: row.made_entry,
    hash: row.hash,
    entryHash: row.entry_hash ?? (sequence === 0n ? GENESIS_HASH : undefined),
    isOfLedger: row.is_of_ledger === true,
    entryIsKept: row.entry_is_kept,
  };
}

function joinParts(parts: readonly Part[]): readonly Step[] {
  const byPlace = Map.groupBy(parts, ({ userId, number }) => `${number} ${userId}`);
  return [...byPlace.values()].map(joinPart).toSorted(compareSteps);
}

function joinPart(parts: readonly Part[]): Step {
  const { userId, number } = parts[0]!;
  const tables = new Set(parts.map(({ table }) => table));
  const twice = tables.size === parts.length ? undefined : "is there twice";
  const none = { entry: undefined, place: undefined, lot: undefined, hold: undefined };
  const step = {
    ...none,
    userId,
    number: BigInt(number),
    refunded: undefined,
    revocation: undefined,
    unreadable: twice,
  };
  return Object.assign(step, ...parts.map(({ content }) => content)) as Step;
}

function compareSteps(a: Step, b: Step): number {
  if (a.userId !== b.userId) return a.userId < b.userId ? -1 : 1;
  return a.number < b.number ? -1 : 1;
}
