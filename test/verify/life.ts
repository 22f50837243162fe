import { createHash } from "node:crypto";
import { sql } from "kysely";
import type { Command } from "../../src/ledger/command.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import { hashEntry } from "../../src/ledger/entry-hash.ts";
import { hashReceipt, NO_RECEIPT } from "../../src/ledger/receipt.ts";
import { isRejection } from "../../src/ledger/rejection.ts";
import { toEntry } from "../../src/store/batch/entries.ts";
import type { EntryRow } from "../../src/store/driver/entities.ts";
import { inSnapshot } from "../../src/store/driver/transaction.ts";
import { readAccounts } from "../../src/verify/accounts.ts";
import { type ReadReceipt, readReceipts } from "../../src/verify/rows.ts";
import { used } from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import type { TestDatabase } from "../support/database.ts";
import { saltOf } from "../support/salts.ts";
import { NOW } from "../support/statement.ts";
import { stoppedClock } from "../support/stopped-clock.ts";

/** Ada's journal, an entry of each kind and more, as `live` makes it. */
export const JOURNAL = [
  "1 recharge 100: 100 of #1",
  "2 recharge 50: 50 of #2",
  "3 consume 30: 30 of #2",
  "4 consume 40: 20 of #2, 20 of #1",
  "5 freeze 25: 25 of #1",
  "6 settle 10: 10 of #1",
  "7 freeze 5: 5 of #1",
  "8 release 5: 5 of #1",
  "9 freeze 6: 6 of #1",
  "10 release 6: 6 of #1",
  "11 consume 0: ",
  "12 expire 1: 1 of #1",
  "13 refund 5: 5 of #1",
  "14 refund 35: 15 of #1, 20 of #14",
  "15 recharge 7: 7 of #15",
  "16 expire 7: 7 of #15",
  "17 freeze 3: 3 of #14",
  "18 refund 4: 4 of #1",
];

/**
 * Four accounts: Ada's whole life, with two receipts; Bob's three entries; and two without entries,
 * Cleo with the receipt that made her account, Dan with another.
 */
export async function live(database: TestDatabase): Promise<void> {
  const spend = (points: bigint) => ({ points, usage: null });
  const meter = { of: "duration", points: 30n, per: 1n, unitNanos: 1_000_000_000n, amount: 1n };
  const script = used({
    service: "script",
    durationNanos: 7n,
    meters: new Map([["words", 0n]]),
    attributes: new Map([["plan", "vip"]]),
    priceVersion: "1",
    calculation: {
      when: new Map([["plan", "vip"]]),
      fixed: 0n,
      meters: [meter],
      factor: { numerator: 4n, denominator: 5n },
      minimum: 30n,
      maximum: 0n,
    },
  });
  const after = (ttl: bigint) => ({ kind: "after", ttl }) as const;
  const of = <C extends object>(command: C) => ({
    ...UNNAMED,
    userId: "ada",
    member: "",
    ...command,
  });

  await run(
    database,
    [
      { kind: "open", userId: "cleo" },
      { kind: "open", userId: "dan" },
      expireDue("dan", "d-1"),
      recharge("bob", 10n),
      consume("bob", 3n),
      consume("bob", 2n),
      { ...recharge("ada", 100n), ...named("a-1") },
      { ...recharge("ada", 50n), expiration: after(1000n) },
      {
        ...of({ kind: "consume", onShortfall: "refuse", cost: { points: 30n, usage: script } }),
        ...named("a-3"),
      },
      of({ kind: "consume", onShortfall: "refuse", cost: spend(40n) }),
      of({ kind: "freeze", cost: spend(25n), expiration: after(100n) }),
      of({ kind: "settle", onShortfall: "refuse", hold: 5n, cost: spend(10n), keepOpen: false }),
      of({ kind: "freeze", cost: spend(5n), expiration: after(100n) }),
      of({ kind: "release", hold: 7n }),
      of({ kind: "freeze", cost: spend(6n), expiration: after(50n) }),
    ] as Command[],
    0n,
  );
  await run(
    database,
    [
      of({ kind: "consume", onShortfall: "refuse", cost: { points: 0n, usage: script } }),
      of({ kind: "expire", target: { kind: "lot", lot: 2n } }),
      of({ kind: "expire", target: { kind: "points", points: 1n } }),
      expireDue("ada", "a-0"),
      of({ kind: "refund", sequence: 4n, points: 5n }),
    ] as Command[],
    90n,
  );
  await run(
    database,
    [
      of({ kind: "refund", sequence: 4n, reissueTtl: 5000n }),
      { ...recharge("ada", 7n), expiration: after(5n) },
    ] as Command[],
    2000n,
  );
  await run(
    database,
    [
      expireDue("ada", "a-16"),
      of({ kind: "freeze", cost: spend(3n), expiration: after(1000n) }),
      of({ kind: "refund", sequence: 6n, points: 4n }),
    ] as Command[],
    2005n,
  );
}

/** Commits commands, none of which may be refused, `time` microseconds after `NOW`. */
export async function run(
  { orm }: TestDatabase,
  commands: readonly Command[],
  time: bigint,
): Promise<void> {
  for (const result of await commitAll(orm, commands, { clock: stoppedClock(NOW + time) })) {
    if (result instanceof Error) throw result;
    if (isRejection(result)) throw new Error(result.reason);
  }
}

function named(id: string) {
  const hash = createHash("sha256").update(id).digest();
  return { request: { id, hash }, metadata: new Map([["for", "a"]]), caller: "", actor: "ana" };
}

const UNNAMED = { request: undefined, metadata: new Map<string, string>(), caller: "", actor: "" };

export function recharge(userId: string, points: bigint): Command {
  const expiration = { kind: "never" } as const;
  const made = { points, expiration, priority: 0, category: "", services: [] };
  return { ...UNNAMED, kind: "recharge", userId, ...made };
}

export function consume(userId: string, points: bigint): Command {
  const cost = { points, usage: null };
  return { ...UNNAMED, kind: "consume", userId, cost, onShortfall: "refuse", member: "" };
}

export function expireDue(userId: string, id: string): Command {
  return { ...UNNAMED, kind: "expire", userId, target: { kind: "due" }, ...named(id) };
}

/** A condition for one of Ada's entries. */
export function ada(sequence: number): string {
  return `user_id = 'ada' and sequence = ${sequence}`;
}

/** A condition for one of her lots or holds. */
export function lot(number: number): string {
  return `user_id = 'ada' and number = ${number}`;
}

/** A user's entries, in order. */
export async function entriesOf({ orm }: TestDatabase, userId: string): Promise<Entry[]> {
  const { rows } = await sql<EntryRow>`
    select * from points.entry where user_id = ${userId} order by sequence`.execute(
    orm.em.fork().getKysely(),
  );
  return rows.map(toEntry);
}

/** Makes the hashes of a user's receipts fit their content. */
export async function rehashReceipts(database: TestDatabase, userId: string): Promise<void> {
  const span = { userIds: [userId] };
  const receipts: ReadReceipt[] = [];
  const read = await inSnapshot(database.orm, async (ask) => {
    for await (const page of readReceipts(ask, span)) receipts.push(...page);
    return readAccounts(ask, span, 1);
  });
  const { createTime, salt } = read[0]!.account!;
  let { hash } = NO_RECEIPT;
  for (const receipt of receipts) {
    hash = hashReceipt(hash, receipt, { createTime, hash: receipt.entryHash!, salt });
    const { number } = receipt;
    const row = `user_id = '${userId}' and number = ${number}`;
    await database.query(`update points.receipt set hash = $1 where ${row}`, [hash]);
  }
}

/** Drops the checks that would refuse the damage. */
export async function dropChecks({ query }: TestDatabase): Promise<void> {
  await query(`do $$ declare c record; begin
    for c in select conrelid::regclass as of, conname from pg_constraint
      where contype = 'c' and connamespace = 'points'::regnamespace
    loop execute format('alter table %s drop constraint %I', c.of, c.conname); end loop;
  end $$`);
}

/** Makes the hashes of entries fit their content; if up to the last one, the account's hash too. */
export async function rehashAda(
  database: TestDatabase,
  from: number,
  to = Infinity,
): Promise<void> {
  const salt = await saltOf(database, "ada");
  let previous: Uint8Array = new Uint8Array(32);
  for (const entry of await entriesOf(database, "ada")) {
    const { sequence } = entry;
    const isMeant = sequence >= from && sequence <= to;
    const hash = isMeant ? hashEntry(previous, entry, salt) : entry.hash;
    const where = ada(Number(sequence));
    await database.query(`update points.entry set hash = $1 where ${where}`, [hash]);
    previous = hash;
  }
  if (to !== Infinity) return;
  await database.query("update points.account set hash = $1 where user_id = 'ada'", [previous]);
}
