import { hash } from "node:crypto";
import type { QueryResult, RawBuilder } from "kysely";
import type { PoolClient } from "pg";
import { epochOf } from "./epoch.ts";
import type { Orm } from "./orm.ts";
import { LOCK_MAX_MS, TRANSACTION_MAX_MS } from "./session.ts";

/**
 * Sends a statement at once and gives its result. Statements run in the order in which they were
 * sent, and each sees what those before it did: awaited together, they cost one round trip.
 */
export type Run = <Row>(statement: RawBuilder<Row>) => Promise<QueryResult<Row>>;

/** An open transaction. */
export type Transaction = {
  readonly orm: Orm;
  readonly run: Run;
  /** Of its connection: see epoch.ts. */
  readonly epoch: bigint;
  /**
   * Ends it: sends the last statements and COMMIT at once, in one round trip. If a statement fails,
   * COMMIT rolls back.
   *
   * @param onRun called when the statements have run
   * @throws {RolledBack} if it was rolled back. With any other error it may have been committed
   */
  readonly commit: (last?: readonly RawBuilder<unknown>[], onRun?: () => void) => Promise<void>;
};

/** The transaction was not committed, and never will be. Its cause says why. */
export class RolledBack extends Error {
  constructor(cause: unknown) {
    super("COMMIT rolled back", { cause });
  }
}

/** Something that is no PostgreSQL answered: what it did is not known. */
class UnknownAnswer extends Error {
  /** The class of broken connections: see database-fault.ts. */
  readonly code = "08P01";
}

/**
 * COMMIT was answered with a warning: the transaction is committed, but not as durably as
 * PostgreSQL was told to make it. (The wait for a synchronous standby was cancelled.)
 */
class CommitWarning extends Error {
  /** The class of warnings: see faults.ts. */
  readonly code = "01000";
}

/**
 * Runs `work` in a transaction of its own, which is rolled back unless `work` commits it. Each
 * statement is a prepared statement of its connection, since planning it costs more than running
 * it. Whatever fails, the connection goes back to the pool: the EntityManager's own `begin`,
 * `commit` and `rollback` keep it for ever if it dies under them, and the pool would run dry.
 *
 * @param limitMs the most that a statement other than COMMIT, or a pause between two, may take
 */
export async function inTransaction<T>(
  orm: Orm,
  work: (transaction: Transaction) => Promise<T>,
  limitMs = TRANSACTION_MAX_MS,
): Promise<T> {
  const pool = await orm.driver.getConnection().getNativeClient();
  const client = await pool.connect();
  const notices = noticesOf(client);
  let isEnded = false;
  let failure: unknown;
  let broken: unknown;
  try {
    const epoch = await epochOf(client);
    // The role's or the database's own default may be stricter: what waited for a lock would fail.
    const begun = client.query(`begin isolation level read committed${within(limitMs)}`);
    begun.catch(() => {}); // Whoever waits for a statement is told.
    const send = async (statement: Prepared) => {
      if (isEnded) throw new Error("the transaction has ended");
      try {
        const [{ rows, rowCount }] = await Promise.all([client.query(statement), begun]);
        return { rows, numAffectedRows: BigInt(rowCount ?? 0) };
      } catch (error) {
        // Those behind it fail as well, and the database says no more than that: they are told why.
        failure ??= error;
        throw failure;
      }
    };
    const run: Run = async (statement) => send(prepare(orm, statement));
    const commit: Transaction["commit"] = async (last = [], onRun = () => {}) => {
      // All of them are made before the first is sent: COMMIT must not commit a part of them.
      const statements = last.map((statement) => prepare(orm, statement));
      requireSendable(statements);
      const ran = Promise.all(statements.map(send)).then(onRun);
      ran.catch(() => {}); // COMMIT then rolls back.
      isEnded = true;
      notices.last = undefined;
      // COMMIT may have to wait for a standby, as long as it takes.
      if (limitMs < TRANSACTION_MAX_MS) {
        client.query("set local statement_timeout = 0").catch(() => {}); // COMMIT then rolls back.
      }
      const { command } = await client.query("commit").catch((error: unknown) => {
        broken = error;
        throw error;
      });
      // A transaction that has failed is rolled back at COMMIT, and that is no error.
      if (command === "ROLLBACK") {
        await ran.catch(() => {});
        throw new RolledBack(failure);
      }
      if (command !== "COMMIT") throw new UnknownAnswer(`COMMIT was answered by ${command}`);
      await ran;
      if (notices.last !== undefined) throw new CommitWarning(notices.last);
    };
    return await work({ orm, run, epoch, commit });
  } finally {
    if (!isEnded) {
      isEnded = true;
      await client.query("rollback").catch((error: unknown) => (broken = error));
    }
    client.release(broken !== undefined);
  }
}

type Prepared = { readonly name: string; readonly text: string; readonly values: unknown[] };

function prepare(orm: Orm, statement: RawBuilder<unknown>): Prepared {
  const { sql: text, parameters } = statement.compile(orm.em.getKysely());
  return { name: nameOf(text), text, values: [...parameters] };
}

/** @throws a TypeError if the driver has to convert a value, which might fail */
function requireSendable(statements: readonly Prepared[]): void {
  for (const { text, values } of statements) {
    const isSendable = (value: unknown) => typeof value === "string" || Buffer.isBuffer(value);
    if (!values.every(isSendable)) throw new TypeError(`a value is no text nor bytes: ${text}`);
  }
}

/** The limits that a connection has by itself are enough where the limit is the usual one. */
function within(limitMs: number): string {
  if (limitMs >= TRANSACTION_MAX_MS) return "";
  const lockMs = Math.ceil((limitMs * LOCK_MAX_MS) / TRANSACTION_MAX_MS);
  return `; set local statement_timeout = ${limitMs}; set local lock_timeout = ${lockMs};
    set local idle_in_transaction_session_timeout = ${limitMs}`;
}

/**
 * The connection leads to a server that is not meant, such as a standby that was promoted. It is closed,
 * so that another may lead elsewhere.
 */
export class WrongServer extends Error {}

/**
 * The longest time that a snapshot may be idle between two reads: longer than that of a transaction,
 * since it locks no account. But vacuum spares what it may see, also if its process is frozen in it.
 */
const SNAPSHOT_IDLE_MAX_MS = 60_000;

/**
 * Runs reads that see the database as it was at the first of them, and that write nothing.
 *
 * @param idleMaxMs the most that a pause between two may take; 0: no limit
 */
export function inSnapshot<T>(
  orm: Orm,
  work: (run: Run) => Promise<T>,
  idleMaxMs = SNAPSHOT_IDLE_MAX_MS,
): Promise<T> {
  return beginSnapshot(
    orm,
    (run, begin) => {
      begin();
      return work(run);
    },
    idleMaxMs,
  );
}

/**
 * The same, for commands that go through the whole ledger: a pause may take as long as it does, since
 * they write output meanwhile, which waits for whoever reads it.
 */
export function inLongSnapshot<T>(orm: Orm, work: (run: Run) => Promise<T>): Promise<T> {
  return inSnapshot(orm, work, 0);
}

/**
 * The same, after others on the same connection: `begin` is sent like a statement, and those behind it
 * are of the snapshot. It costs no round trip of its own, and the end of it one.
 */
export async function beginSnapshot<T>(
  orm: Orm,
  work: (run: Run, begin: () => void) => Promise<T>,
  idleMaxMs = SNAPSHOT_IDLE_MAX_MS,
): Promise<T> {
  const pool = await orm.driver.getConnection().getNativeClient();
  const client = await pool.connect();
  const kysely = orm.em.getKysely();
  let begun: Promise<unknown> | undefined;
  let broken: unknown;
  const run: Run = async (statement) => {
    const { sql: text, parameters } = statement.compile(kysely);
    const { rows, rowCount } = await client.query({ text, values: [...parameters] });
    return { rows, numAffectedRows: BigInt(rowCount ?? 0) };
  };
  const begin = () => {
    begun = client.query(`begin isolation level repeatable read read only;
      set local idle_in_transaction_session_timeout = ${idleMaxMs}`);
    begun.catch(() => {}); // If it fails, whoever is given what was read is told.
  };
  try {
    const found = await work(run, begin);
    await begun;
    return found;
  } catch (error) {
    if (error instanceof WrongServer) broken = error;
    throw error;
  } finally {
    await client.query("rollback").catch((error: unknown) => (broken = error));
    client.release(broken !== undefined);
  }
}

type Notices = { last: string | undefined };

const noticesByClient = new WeakMap<PoolClient, Notices>();

/**
 * What PostgreSQL says on a connection beside its answers. It is listened to once, for good. The
 * session is sent nothing below a warning (orm.ts); the word for its severity is translated, and
 * is not looked at.
 */
function noticesOf(client: PoolClient): Notices {
  const known = noticesByClient.get(client);
  if (known !== undefined) return known;
  const notices: Notices = { last: undefined };
  client.on("notice", ({ message }) => (notices.last = message));
  noticesByClient.set(client, notices);
  return notices;
}

const names = new Map<string, string>();

/**
 * A name for a prepared statement. It says which text it stands for: where a pooler hands a session
 * on to another program, a name never means another statement. The texts are those in this folder:
 * few, and always the same.
 */
function nameOf(text: string): string {
  const known = names.get(text);
  if (known !== undefined) return known;
  const name = `points_${hash("sha256", text).slice(0, 16)}`;
  names.set(text, name);
  return name;
}
