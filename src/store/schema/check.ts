import { randomUUID } from "node:crypto";
import type pg from "pg";
import { type DatabaseUrl, databasePlace } from "../../config/database-url.ts";
import { UserError } from "../../errors/user-error.ts";
import { connectorOf, openClient } from "../driver/connect.ts";
import { prepareSession } from "../driver/session.ts";
import { type Rights, RIGHTS } from "./grants.ts";

/** The facts by which a database is accepted or refused. */
export type Facts = {
  /** As `server_version_num` has it: 150004. */
  readonly version: number;
  readonly encoding: string;
  readonly standby: boolean;
  /** `default_transaction_read_only`. */
  readonly readonly: boolean;
  readonly role: string;
  /** Null: the database has no tables of the ledger yet. */
  readonly rights: Rights | null;
};

// A pooler with several processes has a pool in each. Of four clients, two usually share a process.
const CLIENTS = 4;
const VERSION_MIN = 150_000;

/**
 * Preflight check: whether Points can use a database. It opens sessions of its own and leaves them as
 * it found them, since a pooler may hand them to another program.
 *
 * @param schema the name of the ledger's schema
 * @param writes whether the database is to be written too
 * @throws {UserError} if the database cannot be used; else errors of the database or the network
 */
export async function checkDatabase(
  url: DatabaseUrl,
  schema: string,
  writes: boolean,
): Promise<void> {
  const connector = connectorOf(url);
  const open = () => openClient(connector, url.sessionAttributes);
  const clients: pg.Client[] = [];
  try {
    for (let made = 0; made < CLIENTS; made += 1) clients.push(await open());
    const [first] = clients as [pg.Client];
    const { rows } = await first.query<Facts>(FACTS, [schema]);
    const problem = problemOf(rows[0]!, writes);
    if (problem !== undefined) refuse(url, problem);
    await expectOwnSessions(url, clients);
    await expectFreshSessions(url, clients, open);
    await prepareSession(first, schema);
  } finally {
    await Promise.all(clients.map((client) => client.end().catch(() => {})));
  }
}

const FACTS = `
  select current_setting('server_version_num')::int as version,
    current_setting('server_encoding') as encoding,
    pg_is_in_recovery() as standby,
    current_setting('default_transaction_read_only')::boolean as readonly,
    current_user as role,
    (${RIGHTS}) as rights`;

/** Why a database cannot be used, and the remedy; undefined if it can. */
export function problemOf(facts: Facts, writes: boolean): string | undefined {
  const { version, encoding, standby, readonly, role, rights } = facts;
  if (version < VERSION_MIN) {
    const [major, minor] = [Math.floor(version / 10_000), version % 10_000];
    return `it is PostgreSQL ${major}.${minor}: Points takes 15 or newer`;
  }
  if (encoding !== "UTF8") {
    return (
      `its encoding is ${encoding}: Points takes UTF8, ` +
      "as create database points encoding 'UTF8' template template0 makes it"
    );
  }
  if (writes && standby) {
    return "it is a standby, which takes no writes: name the primary in DATABASE_URL, or all hosts";
  }
  if (writes && readonly) {
    return (
      "default_transaction_read_only is on, so that it takes no writes: " +
      "whoever turned it on for this database or role has to turn it off"
    );
  }
  if (rights === null) return undefined;
  if (!rights.reads || (writes && !rights.writes)) {
    return (
      `the role ${role} may not use the ledger's tables, as after a restore without grants, or an upgrade without new ones: ` +
      `run SERVER_ROLE=${role} npx points migrate as their owner, ${rights.owner}`
    );
  }
  if (!rights.filtered) return undefined;
  return (
    `row-level security hides the ledger's rows from the role ${role}: ` +
    "disable it on the tables, or let the role bypass it"
  );
}

/**
 * Detects a pooler in transaction or statement mode. Settings and prepared statements live in a
 * session's backend, and such a pooler hands backends from client to client. Then two clients share
 * a backend, or one of them changes its backend.
 */
async function expectOwnSessions(url: DatabaseUrl, clients: readonly pg.Client[]): Promise<void> {
  const seen = new Map<pg.Client, number>();
  for (const client of clients) seen.set(client, await backendOf(client));
  let isOwn = new Set(seen.values()).size === clients.length;
  const [busy, ...others] = clients as [pg.Client];
  await busy.query("begin").catch((cause: unknown) => {
    if ((cause as { code?: string }).code !== PROTOCOL_VIOLATION) throw cause;
    return refuse(url, `a pooler lends it for one statement at a time: ${POOL_SESSIONS}`);
  });
  for (const client of [busy, ...others, ...others]) {
    if ((await backendOf(client)) !== seen.get(client)) isOwn = false;
  }
  await busy.query("rollback");
  if (!isOwn) refuse(url, `a pooler lends it for one transaction at a time: ${POOL_SESSIONS}`);
}

const PROTOCOL_VIOLATION = "08P01";
const POOL_SESSIONS =
  "have it pool sessions (pool_mode = session in PgBouncer), or connect to PostgreSQL itself";

async function backendOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  return rows[0]!.pid;
}

/**
 * Detects a pooler that does not reset sessions: a new session that finds another's settings would
 * find its prepared statements too.
 */
async function expectFreshSessions(
  url: DatabaseUrl,
  clients: pg.Client[],
  open: () => Promise<pg.Client>,
): Promise<void> {
  const mark = randomUUID();
  const left = clients.pop()!;
  await left.query("select set_config('points.session', $1, false)", [mark]);
  await left.end();
  const next = await open();
  clients.push(next);
  const { rows } = await next.query<{ mark: string | null }>(
    "select current_setting('points.session', true) as mark",
  );
  if (rows[0]!.mark !== mark) return;
  refuse(url, "a pooler hands sessions on as they are: set server_reset_query = DISCARD ALL in it");
}

function refuse(url: DatabaseUrl, problem: string): never {
  throw new UserError(`cannot use the database at ${databasePlace(url)}: ${problem}`);
}
