import { sql } from "kysely";
import { type Account, timeOf } from "../../ledger/account.ts";
import { livingAt } from "../../ledger/allowance.ts";
import { bookDue, dueTimeOf } from "../../ledger/due.ts";
import { type LimitStatus, limitsOn } from "../../ledger/limit.ts";
import type { Lot } from "../../ledger/lot.ts";
import type { PolicyState } from "../../ledger/policy.ts";
import type { AccountState } from "../../ledger/state.ts";
import type { Micros } from "../../ledger/time.ts";
import { usableFor } from "../../ledger/usable.ts";
import { type LockedAccounts, toAccounts } from "../batch/accounts.ts";
import { loadStatesToRead, type ReadAt } from "../batch/load.ts";
import { loadNextDue } from "../batch/next-due.ts";
import { databaseNow } from "../driver/clock.ts";
import { bigintLists, rowsOf, textArray, texts } from "../driver/columns.ts";
import { AccountEntity, type AccountRow } from "../driver/entities.ts";
import { fromTimestamptz, toTimestamptz } from "../driver/instant.ts";
import type { Orm } from "../driver/orm.ts";
import { inSnapshot, type Run } from "../driver/transaction.ts";

// Reads that lock nothing and write nothing. They go through the ORM's entities, but for those of a
// snapshot, which shares the batch's loaders, and for `readSequences`, which reads the clock too.

/** An account at an instant, and when it changes by itself. */
export type AccountNow = {
  /** Its figures count everything due at that instant as booked; nothing is written. */
  readonly account: Account;
  /** The next instant at which it changes by itself, for whoever looks then; null: never. */
  readonly nextDue: Micros | null;
};

/** A user's account now; undefined if there is none. */
export async function readAccount(orm: Orm, userId: string): Promise<Account | undefined> {
  const [read] = await inSnapshot(orm, (run) => readNow(run, [userId]));
  return read?.account;
}

/** These users' accounts now; users without an account are missing. */
export async function readAccounts(
  orm: Orm,
  userIds: readonly string[],
): Promise<readonly AccountNow[]> {
  return inSnapshot(orm, async (run) => {
    const read = await readNow(run, userIds);
    const next = await loadNextDue(run, read, "watch");
    return read.map(({ account, booked, time }) => {
      const otherDueTime = next.get(account.userId) ?? null;
      const policies = livingAt(booked.policies, account, time);
      return { account, nextDue: dueTimeOf({ ...booked, policies, otherDueTime }, "watch") };
    });
  });
}

/**
 * A user's balance now, what of it a service may take, and the limits that bound what a member spends
 * on that; undefined if there is no account.
 */
export async function readUsable(
  orm: Orm,
  userId: string,
  { service, member }: { readonly service: string; readonly member: string },
): Promise<{ balance: bigint; usable: bigint; limits: readonly LimitStatus[] } | undefined> {
  const [read] = await inSnapshot(orm, async (run) => {
    const found = await findAccounts(run, [userId]);
    // Limits count each hold that is due by its instant, its service and its member.
    const apart = (found.rows.get(userId)?.policies ?? 0) > 0;
    return bookedAt(run, found, { now: await databaseNow(run), service, member, apart });
  });
  if (read === undefined) return undefined;
  const { account, booked, time } = read;
  const limits = limitsOn(booked.policies, { service, member }, time);
  return { balance: account.balance, usable: usableFor(booked, service), limits };
}

async function readNow(run: Run, userIds: readonly string[]) {
  const found = await findAccounts(run, userIds);
  return bookedAt(run, found, { now: await databaseNow(run) });
}

/** The rows of these users' accounts, which it does not lock. */
export async function findAccounts(run: Run, userIds: readonly string[]): Promise<LockedAccounts> {
  const { rows } = await run(
    sql<AccountRow & { ctid: string }>`
      select *, ctid from account where user_id = any(${textArray(userIds)})`,
  );
  return toAccounts(rows);
}

/** An account with everything booked that is due. */
export type Booked = {
  /** As it is shown. */
  readonly account: Account;
  readonly time: Micros;
  readonly booked: AccountState;
  /** The lots that were loaded: those of the account's row, and those that matter to what is due. */
  readonly loaded: readonly Lot[];
  /** Its policies as its row has them: what is due of them is not booked. */
  readonly policies: readonly PolicyState[];
};

/** The accounts with everything booked that is due. */
export async function bookedAt(
  run: Run,
  found: LockedAccounts,
  at: ReadAt,
): Promise<readonly Booked[]> {
  const states = await loadStatesToRead(run, found, at);
  return states.map((state) => {
    const { account, lots, policies } = state;
    const time = timeOf(account, at.now);
    const booked = bookDue(state, time).state;
    const { sequence, hash, updateTime } = account;
    const shown = { ...booked.account, sequence, hash, updateTime };
    return { account: shown, time, booked, loaded: lots, policies };
  });
}

/** Points of an account that expire together; null: never. */
export type Expiring = Pick<Lot, "remaining" | "expireTime">;

/**
 * What the lots have that `bookedAt` had no need to load, summed by the time at which they expire. None
 * of them is due.
 *
 * @param until only what expires by this instant; undefined: all
 * @returns by user id, in no order
 */
export async function loadOtherLots(
  run: Run,
  { rows: places }: LockedAccounts,
  read: readonly Booked[],
  until: Micros | undefined,
): Promise<ReadonlyMap<string, readonly Expiring[]>> {
  const beyond = read.filter(({ account }) => places.get(account.userId)!.beyond.count > 0);
  if (beyond.length === 0) return new Map();
  const asked = rowsOf({
    user_id: texts(beyond, ({ account }) => account.userId),
    loaded: bigintLists(beyond, ({ loaded }) => loaded.map(({ number }) => number)),
  });
  const inTime =
    until === undefined ? sql`` : sql`and expire_time <= ${toTimestamptz(until)}::timestamptz`;
  const { rows } = await run(sql<{
    user_id: string;
    expire_time: string | null;
    remaining: string;
  }>`
    select user_id, expire_time, sum(remaining) as remaining
    from ${asked} as asked join lot using (user_id)
    where remaining > 0 and not coalesce(number = any(loaded), false) ${inTime}
    group by user_id, expire_time`);
  const others = rows.map(({ user_id: userId, expire_time: time, remaining }) => {
    const expireTime = time === null ? null : fromTimestamptz(time);
    return { userId, expireTime, remaining: BigInt(remaining) };
  });
  return Map.groupBy(others, ({ userId }) => userId);
}

/**
 * The sequences of these users' last entries, by user id, and the database's time, in one statement.
 * Users without an account are missing.
 */
export async function readSequences(
  orm: Orm,
  userIds: readonly string[],
): Promise<{ now: Micros; sequences: ReadonlyMap<string, bigint> }> {
  const { rows } = await sql<{ now: string; user_id: string | null; sequence: string }>`
    select statement_timestamp() as now, user_id, sequence
    from (select) as one left join account on user_id = any(${[...userIds]}::text[])`.execute(
    orm.em.fork().getKysely(),
  );
  const found = rows.flatMap(({ user_id, sequence }) =>
    user_id === null ? [] : [[user_id, BigInt(sequence)] as const],
  );
  return { now: fromTimestamptz(rows[0]!.now), sequences: new Map(found) };
}

/** Whether a user has an account. */
export async function hasAccount(orm: Orm, userId: string): Promise<boolean> {
  return (await orm.em.fork().count(AccountEntity, { userId })) > 0;
}

/** The sequence of a user's last entry; undefined if there is no account. */
export async function readSequence(run: Run, userId: string): Promise<bigint | undefined> {
  const { rows } = await run(
    sql<{ sequence: string }>`select sequence from account where user_id = ${userId}`,
  );
  return rows[0] && BigInt(rows[0].sequence);
}
