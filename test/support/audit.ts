import { hashEntry } from "../../src/ledger/entry.ts";
import { type EntryRow, toEntry } from "../../src/store/entries.ts";
import { fromTimestamptz } from "../../src/store/instant.ts";

/** Any SQL on the audited database, its rows as `pg` gives them. */
export type Query = (sql: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

/**
 * Checks a whole database, while nobody writes to it, against what the ledger promises, by
 * replaying every journal with rules that are written here again, and not those of `src/ledger`.
 *
 * @returns how many accounts and entries it found in order
 * @throws an Error that names each account that is not in order, and what is wrong
 */
export async function auditDatabase(query: Query): Promise<{ accounts: number; entries: number }> {
  const accounts = new Map<string, Audited>();
  for (const row of await query(`select *, ${utc("update_time")} from points.account`)) {
    const account = row as AccountRow;
    accounts.set(account.user_id, startOf(account));
  }
  const wrong: string[] = [];
  const complain = (userId: string, what: string) => wrong.push(`account ${userId}: ${what}`);

  let entries = 0;
  for await (const row of entryRows(query)) {
    entries += 1;
    const audited = accounts.get(row.user_id);
    if (audited === undefined) complain(row.user_id, `entry ${row.sequence} has no account`);
    else for (const what of replay(audited, row)) complain(row.user_id, what);
  }
  for (const row of await query(`select *, ${utc("expire_time")} from points.lot`)) {
    const lot = row as LotRow;
    const audited = accounts.get(lot.user_id);
    if (audited === undefined) complain(lot.user_id, `lot ${lot.number} has no account`);
    else for (const what of compareLot(audited, lot)) complain(lot.user_id, what);
  }
  for (const row of await query("select user_id, request_id, sequence from points.receipt")) {
    const { user_id: userId, request_id: id, sequence } = row as ReceiptRow;
    const audited = accounts.get(userId);
    if (audited === undefined) complain(userId, `receipt ${id} has no account`);
    else if (audited.requests.has(id)) complain(userId, `request ${id} is there twice`);
    else if (BigInt(sequence) > audited.sequence) complain(userId, `receipt ${id} is too new`);
  }
  for (const [userId, audited] of accounts) {
    for (const what of compareAccount(audited)) complain(userId, what);
  }
  if (wrong.length > 0) throw new Error(wrong.slice(0, 50).join("\n"));
  return { accounts: accounts.size, entries };
}

type Figures = Record<(typeof FIGURES)[number], bigint>;

const FIGURES = [
  "balance",
  "frozen",
  "total_recharged",
  "total_consumed",
  "total_expired",
  "total_refunded",
] as const;

type AccountRow = Record<(typeof FIGURES)[number], string> & {
  user_id: string;
  sequence: string;
  hash: Buffer;
  update_time: string;
};

type LotRow = {
  user_id: string;
  number: string;
  points: string;
  remaining: string;
  frozen: string;
  priority: number;
  expire_time: string | null;
};

type ReceiptRow = { user_id: string; request_id: string; sequence: string };

type Lot = {
  readonly points: bigint;
  readonly priority: number;
  readonly expireTime: bigint | null;
  remaining: bigint;
  /** As the lot's row has it. */
  frozen: bigint;
  seen: boolean;
};

/** An account's row, and the account as the replay of its journal has it so far. */
type Audited = {
  readonly row: AccountRow;
  readonly lots: Map<bigint, Lot>;
  readonly requests: Set<string>;
  sequence: bigint;
  hash: Uint8Array;
  time: bigint | undefined;
  figures: Figures;
};

const PAGE = 5_000;

function startOf(row: AccountRow): Audited {
  const figures = Object.fromEntries(FIGURES.map((name) => [name, 0n])) as Figures;
  const hash = new Uint8Array(32);
  const none = { lots: new Map(), requests: new Set<string>(), sequence: 0n, time: undefined };
  return { row, hash, figures, ...none };
}

async function* entryRows(query: Query): AsyncGenerator<EntryRow> {
  let [userId, sequence] = ["", "0"];
  for (;;) {
    const rows = (await query(
      `select *, ${utc("create_time")}, ${utc("expire_time")} from points.entry
       where (user_id, sequence) > ($1, $2) order by user_id, sequence limit ${PAGE}`,
      [userId, sequence],
    )) as EntryRow[];
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    ({ user_id: userId, sequence } = last);
  }
}

/** A column as PostgreSQL writes it in a session in UTC, whatever this session's time zone is. */
function utc(column: string): string {
  return `(${column} at time zone 'UTC')::text || '+00' as ${column}`;
}

/** Takes an account one entry further, and says what is wrong with the entry. */
function* replay(audited: Audited, row: EntryRow): Generator<string> {
  const entry = toEntry(row);
  const { sequence, points, allocations, time } = entry;
  const name = `entry ${sequence}`;
  if (sequence !== audited.sequence + 1n) yield `${name} follows entry ${audited.sequence}`;
  audited.sequence = sequence;

  const hash = hashEntry(audited.hash, entry);
  if (Buffer.compare(hash, entry.hash) !== 0) yield `${name} has not the hash of its content`;
  audited.hash = entry.hash;
  audited.time = time;

  const id = entry.request?.id;
  if (id !== undefined && audited.requests.has(id)) yield `request ${id} is there twice`;
  if (id !== undefined) audited.requests.add(id);

  const sum = allocations.reduce((total, { points: some }) => total + some, 0n);
  if (sum !== points) yield `${name} moves ${points} points, its allocations ${sum}`;
  if (allocations.some(({ points: some }) => some <= 0n)) yield `${name} has an empty allocation`;

  const { figures } = audited;
  switch (entry.kind) {
    case "recharge": {
      const { priority, expireTime } = entry;
      const isOwnLot = allocations.length === 1 && allocations[0]?.lot === sequence;
      if (!isOwnLot) yield `${name} recharges another lot than its own`;
      const untouched = { remaining: points, frozen: 0n, seen: false };
      audited.lots.set(sequence, { points, priority, expireTime, ...untouched });
      figures.balance += points;
      figures.total_recharged += points;
      break;
    }
    case "consume":
    case "expire": {
      for (const { lot: number, points: taken } of allocations) {
        const lot = audited.lots.get(number);
        if (lot === undefined) {
          yield `${name} takes from lot ${number}, which there is not`;
          continue;
        }
        lot.remaining -= taken;
        if (lot.remaining < 0n) yield `${name} takes more from lot ${number} than it has`;
        const isDue = lot.expireTime !== null && lot.expireTime <= time;
        if (isDue && entry.kind === "consume") yield `${name} spends lot ${number} past its time`;
      }
      figures.balance -= points;
      figures[entry.kind === "consume" ? "total_consumed" : "total_expired"] += points;
      break;
    }
    default:
      yield `${name} is of a kind that the audit does not know: ${row.kind}`;
  }
  yield* compareFigures(name, figures, row);
}

function* compareFigures(
  name: string,
  figures: Figures,
  row: Record<(typeof FIGURES)[number], string>,
): Generator<string> {
  for (const figure of FIGURES) {
    const is = BigInt(row[figure]);
    if (is !== figures[figure]) yield `${name} has ${figure} ${is}, not ${figures[figure]}`;
    if (is < 0n) yield `${name} has a negative ${figure}`;
    // What follows is judged by what is there, so that one error is told once.
    figures[figure] = is;
  }
  const { balance, frozen, total_consumed: consumed, total_expired: expired } = figures;
  if (balance + frozen + consumed + expired !== figures.total_recharged + figures.total_refunded) {
    yield `${name} breaks the equation`;
  }
}

function* compareLot(audited: Audited, row: LotRow): Generator<string> {
  const lot = audited.lots.get(BigInt(row.number));
  const name = `lot ${row.number}`;
  if (lot === undefined) {
    yield `${name} has no recharge entry`;
    return;
  }
  lot.seen = true;
  lot.frozen = BigInt(row.frozen);
  const { remaining } = lot;
  if (BigInt(row.remaining) !== remaining) yield `${name} has ${row.remaining}, not ${remaining}`;
  if (BigInt(row.points) !== lot.points) yield `${name} has other points than its entry`;
  if (row.priority !== lot.priority) yield `${name} has another priority than its entry`;
  const expireTime = row.expire_time === null ? null : fromTimestamptz(row.expire_time);
  if (expireTime !== lot.expireTime) yield `${name} expires at another time than its entry says`;
}

function* compareAccount(audited: Audited): Generator<string> {
  const { row, sequence, hash, time, lots, figures } = audited;
  if (BigInt(row.sequence) !== sequence) {
    yield `has sequence ${row.sequence}, but ${sequence} entries`;
  }
  if (Buffer.compare(row.hash, hash) !== 0) yield "has not the hash of its last entry";
  if (time !== undefined && fromTimestamptz(row.update_time) !== time) {
    yield "was not updated at the time of its last entry";
  }
  yield* compareFigures("the account", figures, row);
  const all = [...lots.values()];
  const remaining = all.reduce((sum, lot) => sum + lot.remaining, 0n);
  if (remaining !== figures.balance) {
    yield `has balance ${figures.balance}, and its lots ${remaining}`;
  }
  const frozen = all.reduce((sum, lot) => sum + lot.frozen, 0n);
  if (frozen !== figures.frozen) yield `has frozen ${figures.frozen}, and its lots ${frozen}`;
  for (const [number, lot] of lots) if (!lot.seen) yield `lot ${number} is missing`;
}
