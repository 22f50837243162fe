import { hash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { openDatabase } from "../../src/database.ts";
import { migrate } from "../../src/store/migrate.ts";
import { inTransaction } from "../../src/store/transaction.ts";
import { openOrm } from "../../src/store/orm.ts";
import { UsageError } from "../../src/usage.ts";
import { makeAuthority } from "../support/certificates.ts";
import {
  type Cluster,
  copyAsStandby,
  freePort,
  hasDebians,
  hasIpv6,
  startCluster,
  startDebians,
} from "../support/cluster.ts";
import { hasPgBouncer, startPgBouncer } from "../support/pgbouncer.ts";
import { runPoints, temporaryFolder, until } from "../support/processes.ts";
import { points, ttl } from "../support/requests.ts";
import { testServer } from "../support/server.ts";
import { withDatabase } from "../support/postgres.ts";

const ipv6 = await hasIpv6();

/** As it may be written to a table: `$name` is filled in when servers run. */
type Places = Record<string, string>;

let folder: string;
let cluster: Cluster;
let places: Places;
beforeAll(async () => {
  folder = await mkdtemp("/tmp/points-databases-");
  cluster = await startCluster(join(folder, "one"));
  const [authority, stranger] = await Promise.all([makeAuthority(), makeAuthority()]);
  const server = await authority.sign("database.internal");
  const client = await authority.sign("by_certificate");
  await cluster.configure(
    { "server.crt": server.cert, "server.key": server.key, "ca.crt": authority.cert, "pg_hba.conf": HBA },
    [
      ...["with_tls", "without_tls", "by_certificate", "refused"].map((role) => `create role ${role} login`),
      "create role with_password login password 'p@ss/wörd+1'",
      "create role crowded login connection limit 0",
      "create role stranger login",
      "alter system set ssl = on",
      "alter system set ssl_ca_file = 'ca.crt'",
    ],
  );
  places = {
    socket: encodeURIComponent(cluster.socketFolder),
    port: String(cluster.port),
    closed: String(await freePort()),
    ca: join(folder, "ca.crt"),
    strange: join(folder, "strange.crt"),
    cert: join(folder, "client.crt"),
    key: join(folder, "client.key"),
  };
  await writeFile(places["ca"]!, authority.cert);
  await writeFile(places["strange"]!, stranger.cert);
  await writeFile(places["cert"]!, client.cert);
  await writeFile(places["key"]!, client.key);
});
afterAll(async () => {
  await cluster.stop();
  await rm(folder, { recursive: true });
});

const HBA = `
local   all all              trust
hostssl all with_tls       all trust
hostnossl all without_tls  all trust
hostssl all by_certificate all cert
host    all with_password  all scram-sha-256
host    all crowded        all trust
host    all points         all trust
`;

function filledIn(url: string): string {
  return url.replace(/\$(\w+)/g, (_, name: string) => places[name]!);
}

/** What a connection looks like from the database. */
async function seenFromThere(url: string) {
  const orm = await openOrm(url, 2);
  try {
    const { rows } = await sql<Record<string, unknown>>`
      select current_user as "user", inet_server_port() as port, host(inet_server_addr()) as address,
        (select ssl from pg_stat_ssl where pid = pg_backend_pid()) as tls,
        current_setting('application_name') as application, current_database() as database,
        current_setting('geqo') as geqo`.execute(orm.em.getKysely());
    return rows[0]!;
  } finally {
    await orm.close();
  }
}

describe("a DATABASE_URL leads where libpq would go", () => {
  const plain = { user: "points", tls: false, address: "127.0.0.1" };
  const tls = { user: "points", tls: true, address: "127.0.0.1" };
  test.each<[url: string, seen: Record<string, unknown>]>([
    ["postgresql://points@$socket:$port/postgres", { user: "points", address: null, tls: false }],
    ["postgresql://points@$socket:$port/postgres?sslmode=require", { address: null, tls: false }],
    ["postgresql://points@127.0.0.1:$closed/postgres?host=$socket&port=$port", { address: null }],
    ["postgresql://127.0.0.1/x?port=$port&user=points&dbname=postgres", { ...tls, database: "postgres" }],
    ["postgres://points@127.0.0.1:$port/postgres", tls],
    ["postgresql://points@127.0.0.1:$port/postgres?sslmode=disable", plain],
    ["postgresql://points@127.0.0.1:$port/postgres?sslmode=allow", plain],
    ["postgresql://with_tls@127.0.0.1:$port/postgres?sslmode=allow", { user: "with_tls", tls: true }],
    ["postgresql://without_tls@127.0.0.1:$port/postgres?sslmode=prefer", { tls: false }],
    ["postgresql://points@127.0.0.1:$port/postgres?sslmode=require", tls],
    ["postgresql://points@127.0.0.1:$port/postgres?ssl=true", tls],
    ["postgresql://points@127.0.0.1:$port/postgres?sslmode=require&sslrootcert=$ca", tls],
    ["postgresql://points@127.0.0.1:$port/postgres?sslmode=verify-ca&sslrootcert=$ca", tls],
    ["postgresql://points@127.0.0.1:$port/postgres?sslmode=verify-full&sslrootcert=$ca", tls],
    ["postgresql://points@127.0.0.1:$port/postgres?sslmode=prefer&sslrootcert=$strange", plain],
    [
      "postgresql://by_certificate@127.0.0.1:$port/postgres?sslmode=require&sslcert=$cert&sslkey=$key",
      { user: "by_certificate", tls: true },
    ],
    ["postgresql://with_password:p%40ss%2Fw%C3%B6rd+1@127.0.0.1:$port/postgres", { tls: true }],
    [
      "postgresql://with_password@127.0.0.1:$port/postgres?password=p%40ss%2Fw%C3%B6rd+1&channel_binding=prefer",
      { user: "with_password" },
    ],
    ["postgresql://points@127.0.0.1:$port/postgres", { application: "points" }],
    [
      "postgresql://points@127.0.0.1:$port/postgres?application_name=a%20b&options=-c%20geqo%3Doff",
      { application: "a b", geqo: "off" },
    ],
    ["postgresql://points@127.0.0.1:$closed,127.0.0.1:$port/postgres", tls],
    ["postgresql://points@localhost,127.0.0.1/postgres?port=$closed,$port&connect_timeout=9", tls],
    ["postgresql://points@127.0.0.1:$port/postgres?target_session_attrs=primary", tls],
  ])("%s", async (url, seen) => {
    expect(await seenFromThere(filledIn(url))).toMatchObject(seen);
  });

  test.skipIf(!ipv6)("an address of IPv6 (left out where there is no IPv6)", async () => {
    const url = filledIn("postgresql://points@[::1]:$port/postgres");
    expect(await seenFromThere(url)).toMatchObject({ address: "::1" });
  });

  test.each<[name: string, value: string, seen: Record<string, unknown>]>([
    ["PGPASSWORD", "p@ss/wörd+1", { user: "with_password" }],
    ["PGSSLMODE", "disable", { tls: false }],
    ["PGAPPNAME", "other", { application: "other" }],
  ])("%s stands in for what it does not say", async (name, value, seen) => {
    const environment = { PGPASSWORD: "p@ss/wörd+1", [name]: value };
    Object.assign(process.env, environment);
    onTestFinished(() => {
      for (const set of Object.keys(environment)) delete process.env[set];
    });
    const url = "postgresql://with_password@127.0.0.1:$port/postgres";
    expect(await seenFromThere(filledIn(url))).toMatchObject(seen);
  });
});

describe("a database that cannot be used is refused in one sentence", () => {
  test.each<[url: string, sentence: string]>([
    [
      "postgresql://points@127.0.0.1:$closed/postgres",
      "cannot use the database: connect ECONNREFUSED 127.0.0.1:$closed",
    ],
    [
      "postgresql://points@127.0.0.1:$closed,[::1]:$closed/postgres",
      "cannot use the database: 127.0.0.1:$closed: connect ECONNREFUSED 127.0.0.1:$closed; " +
        "[::1]:$closed: connect ECONNREFUSED ::1:$closed",
    ],
    [
      "postgresql://with_password:wrong@127.0.0.1:$port/postgres",
      'cannot use the database: password authentication failed for user "with_password": ' +
        "see to the user and the password in DATABASE_URL",
    ],
    [
      "postgresql://with_password@127.0.0.1:$port/postgres",
      "cannot use the database: it asks for a password, and DATABASE_URL has none",
    ],
    [
      "postgresql://points@127.0.0.1:$port/nowhere",
      'cannot use the database: database "nowhere" does not exist: ' +
        "create it, or see to the name in DATABASE_URL",
    ],
    [
      "postgresql://stranger@127.0.0.1:$port/postgres",
      'cannot use the database: no pg_hba.conf entry for host "127.0.0.1", user "stranger", database ' +
        '"postgres", SSL encryption; no pg_hba.conf entry for host "127.0.0.1", user "stranger", ' +
        'database "postgres", no encryption: ' +
        "let the user in by pg_hba.conf, or see to the user and sslmode in DATABASE_URL",
    ],
    [
      "postgresql://with_tls@127.0.0.1:$port/postgres?sslmode=disable",
      'cannot use the database: no pg_hba.conf entry for host "127.0.0.1", user "with_tls", database ' +
        '"postgres", no encryption: ' +
        "let the user in by pg_hba.conf, or see to the user and sslmode in DATABASE_URL",
    ],
    [
      "postgresql://crowded@127.0.0.1:$port/postgres?sslmode=disable",
      'cannot use the database: too many connections for role "crowded": ' +
        "raise max_connections or the role's limit, or lower LANES and WORKERS",
    ],
    [
      "postgresql://points@127.0.0.1:$port/postgres?sslmode=verify-full&sslrootcert=/nonexistent",
      "cannot use the database: sslrootcert: ENOENT: no such file or directory, open '/nonexistent'",
    ],
    [
      "postgresql://points@127.0.0.1:$port/postgres?sslmode=prefer&sslrootcert=/nonexistent",
      "cannot use the database: sslrootcert: ENOENT: no such file or directory, open '/nonexistent'",
    ],
    [
      "postgresql://points@localhost:$port/postgres?sslmode=verify-full&sslrootcert=$ca",
      "cannot use the database: Hostname/IP does not match certificate's altnames: " +
        "Host: localhost. is not in the cert's altnames: DNS:database.internal, IP Address:127.0.0.1: " +
        "name the host in DATABASE_URL as its certificate does, or see who answers there",
    ],
    [
      "postgresql://points@127.0.0.1:$port/postgres?target_session_attrs=standby",
      "cannot use the database: it takes writes, and target_session_attrs is standby",
    ],
  ])("%s", async (url, sentence) => {
    await expectRefused(filledIn(url), filledIn(sentence));
  });

  // What Node says depends on which authorities it knows.
  test.each(["sslmode=require&sslrootcert=$strange", "sslmode=verify-ca&sslrootcert=$strange", "sslmode=verify-full"])(
    "a certificate of an authority that is not trusted, with %s",
    async (parameters) => {
      const url = filledIn(`postgresql://points@127.0.0.1:$port/postgres?${parameters}`);
      await expectRefused(url, /^cannot use the database: [^:]*certificate[^:]*: name the file with .* in sslrootcert$/);
    },
  );

  test("a host that takes connections and says nothing", async () => {
    const silent = createServer(() => {}).listen(0, "127.0.0.1");
    onTestFinished(() => void silent.close());
    await until("it listens", () => silent.listening);
    const at = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const url = `postgresql://points@${at}/postgres?connect_timeout=1`;
    await expectRefused(url, "cannot use the database: no answer within 1 s");
  });

  test("a name that has no address that answers", async () => {
    const url = filledIn("postgresql://points@localhost:$closed/postgres");
    await expectRefused(url, /^cannot use the database: (connect ECONNREFUSED \S+:\d+(, )?)+$/);
  });

  test("as a process, with code 1 and no stack", async () => {
    const DATABASE_URL = filledIn("postgresql://with_password:hunter2@127.0.0.1:$port/postgres");
    const stderr =
      'points: cannot use the database: password authentication failed for user "with_password": ' +
      "see to the user and the password in DATABASE_URL\n";
    const exits = ["serve", "migrate"].map((command) => runPoints({ DATABASE_URL }, [command]).exit);
    for (const exit of await Promise.all(exits)) {
      expect(exit).toEqual({ code: 1, signal: null, stdout: "", stderr });
    }
  });

  test("with an encoding other than UTF8", async () => {
    const database = await emptyDatabase("encoding 'LATIN1' locale 'C' template template0");
    await expectRefused(
      urlOf(database),
      `cannot use the database at ${cluster.socketFolder}:${cluster.port}/${database}: its encoding is ` +
        "LATIN1: Points takes UTF8, as create database points encoding 'UTF8' template template0 makes it",
    );
    const migration = await runPoints({ DATABASE_URL: urlOf(database) }, ["migrate"]).exit;
    expect(migration).toMatchObject({ code: 1, stdout: "" });
    expect(migration.stderr).toMatch(/^points: [^\n]*its encoding is LATIN1[^\n]*\n$/);
  });

  test("that takes no writes, since somebody said so", async () => {
    const database = await emptyDatabase();
    await cluster.query(`alter database ${database} set default_transaction_read_only = on`);
    await expectRefused(urlOf(database), /: default_transaction_read_only is on, so that it takes no/);
  });

  test("whose rows a policy hides from the server", async () => {
    const database = await emptyDatabase();
    const orm = await openOrm(urlOf(database), 2);
    onTestFinished(() => orm.close());
    await migrate(orm, "refused");
    await cluster.query("alter table points.lot enable row level security", database);
    const url = urlOf(database).replace("points@", "refused@");
    await expectRefused(url, /: row-level security hides the ledger's rows from the role refused: disab/);
    await (await openDatabase(readConfig({ DATABASE_URL: urlOf(database) }))).close();
  });

  test("restored without grants, with the command that grants them", async () => {
    const database = await emptyDatabase();
    const orm = await openOrm(urlOf(database), 2);
    onTestFinished(() => orm.close());
    await migrate(orm);
    const url = urlOf(database).replace("points@", "stranger@");
    const sentence =
      `cannot use the database at ${cluster.socketFolder}:${cluster.port}/${database}: the role ` +
      "stranger may not use the ledger's tables, as after a restore without grants: " +
      "run SERVER_ROLE=stranger npx points migrate as their owner, points";
    await expectRefused(url, sentence);
    const environment = { DATABASE_URL: urlOf(database), SERVER_ROLE: "stranger" };
    expect(await runPoints(environment, ["migrate"]).exit).toMatchObject({ code: 0, stderr: "" });
    await (await openDatabase(readConfig({ DATABASE_URL: url }))).close();
  });
});

describe.each([
  { name: "the PostgreSQL that npm brings", start: async () => cluster },
  ...(hasDebians ? [{ name: "Debian's PostgreSQL 15", start: startDebians }] : []),
])("on $name, whatever a database sets by default", ({ start }) => {
  let at: Cluster;
  let name: string;
  beforeAll(async () => {
    at = await start();
    name = await newDatabase(at);
    await at.query(`create role server_${name} login`);
    // What is PostgreSQL's own must not be found there first.
    const lie = "returns timestamptz language sql return timestamptz '1999-01-01'";
    await at.query(`create schema evil; create function evil.clock_timestamp() ${lie};
      grant usage on schema evil to public`, name);
    const orm = await openOrm(withDatabase(at.url, name), 2);
    await migrate(orm, `server_${name}`);
    await orm.close();
  });
  afterAll(async () => {
    if (at !== cluster) await at.stop();
  });

  test.each<[setting: string, value: string, ours?: string]>([
    ["datestyle", "'SQL, DMY'", "ISO, MDY"],
    ["datestyle", "German", "ISO, MDY"],
    ["intervalstyle", "sql_standard", "postgres"],
    ["timezone", "'Asia/Kathmandu'", "UTC"],
    ["client_encoding", "'LATIN1'", "UTF8"],
    ["standard_conforming_strings", "off", "on"],
    ["bytea_output", "escape", "hex"],
    ["extra_float_digits", "-15", "1"],
    ["array_nulls", "off", "on"],
    ["search_path", "evil, pg_catalog", "pg_catalog"],
    ["row_security", "on", "off"],
    ["statement_timeout", "'1s'", "0"],
    ["lock_timeout", "'1ms'", "2s"],
    ["idle_in_transaction_session_timeout", "'1h'", "5s"],
    ["idle_session_timeout", "'1s'", "0"],
    ["default_transaction_isolation", "serializable", "read committed"],
    ["default_transaction_deferrable", "on"],
    ["session_replication_role", "replica"],
    ["client_min_messages", "debug5", "warning"],
    ["check_function_bodies", "off"],
    ["plan_cache_mode", "force_custom_plan", "force_generic_plan"],
    ["enable_indexscan", "off", "on"],
    ["enable_nestloop", "off", "on"],
    ["lc_messages", "'C'"],
    ["transform_null_equals", "on"],
    ["quote_all_identifiers", "on"],
    ["synchronize_seqscans", "off"],
    ["work_mem", "'64kB'"],
  ])("%s = %s, it works as ever", async (setting, value, ours) => {
    await at.query(`alter database ${name} set ${setting} = ${value}`);
    onTestFinished(async () => void (await at.query(`alter database ${name} reset ${setting}`)));
    const url = withDatabase(at.url, name).replace("points@", `server_${name}@`);
    const database = await openDatabase(readConfig({ DATABASE_URL: url }));
    onTestFinished(() => database.close());
    await expectWorking(database.orm);
    if (ours === undefined) return;
    const { rows } = await sql<{ is: string }>`
      select current_setting(${setting}) as is`.execute(database.orm.em.getKysely());
    expect(rows[0]!.is).toBe(ours);
  });
});

describe("several hosts", () => {
  test("are tried until one takes writes, at the start and after a failover", async () => {
    const parent = await temporaryFolder();
    const [one, two] = [join(parent, "one"), join(parent, "two")];
    const first = await startCluster(one);
    const orm = await openOrm(withDatabase(first.url, "points"), 2);
    await migrate(orm);
    await orm.close();
    await first.stop();
    await copyAsStandby(one, two);
    const [primary, standby] = [await startCluster(one), await startCluster(two)];
    let stopped = false;
    onTestFinished(async () => {
      if (!stopped) await primary.stop();
      await standby.stop();
    });
    const hosts = `127.0.0.1:${standby.port},127.0.0.1:${primary.port}`;
    const url = `postgresql://points@${hosts}/points?sslmode=disable`;
    expect(await seenFromThere(url)).toMatchObject({ port: primary.port });
    expect(await seenFromThere(`${url}&target_session_attrs=any`)).toMatchObject({ port: standby.port });
    expect(await seenFromThere(`${url}&target_session_attrs=standby`)).toMatchObject({
      port: standby.port,
    });
    const alone = `postgresql://points@127.0.0.1:${standby.port}/points?sslmode=disable`;
    await expectRefused(alone, /: it is a standby, which takes no writes: name the primary/);
    const verified = await runPoints({ DATABASE_URL: alone }, ["verify"]).exit;
    expect(verified).toMatchObject({ code: 0, stdout: "0 accounts, 0 entries: all in order\n" });

    const database = await openDatabase(readConfig({ DATABASE_URL: url }));
    onTestFinished(() => database.close());
    const server = await testServer({}, { ...unused, url, orm: database.orm });
    onTestFinished(() => server.stop());
    await server.client.recharge({ userId: "ada", points: 5n });
    await primary.stop();
    stopped = true;
    await expect(server.client.getOrCreate({ userId: "ada" })).rejects.toThrow(/unavailable/i);
    await standby.query("select pg_promote()");
    await until("it has found the new primary", async () =>
      server.client.recharge({ userId: "eve", points: 7n }).then(
        () => true,
        () => false,
      ),
    );
    expect(await seenFromThere(url)).toMatchObject({ port: standby.port });
  });
});

describe.skipIf(!hasPgBouncer)("behind PgBouncer (left out where it is not installed)", () => {
  const WORKS = { pool_mode: "session" };
  test.each<[settings: Record<string, string>, sentence: string | undefined]>([
    [WORKS, undefined],
    [{ ...WORKS, ignore_startup_parameters: "options" }, undefined],
    [{ ...WORKS, server_reset_query: "" }, "a pooler hands sessions on as they are: set server_reset_query = DISCARD ALL in it"],
    [{ pool_mode: "transaction" }, "a pooler lends it for one transaction at a time: $mend"],
    [{ pool_mode: "transaction", server_round_robin: "1" }, "a pooler lends it for one transaction at a time: $mend"],
    [{ pool_mode: "transaction", min_pool_size: "9" }, "a pooler lends it for one transaction at a time: $mend"],
    [{ pool_mode: "statement" }, "a pooler lends it for one statement at a time: $mend"],
  ])("with %j", async (settings, problem) => {
    const database = await emptyDatabase();
    const orm = await openOrm(urlOf(database), 2);
    await migrate(orm);
    await orm.close();
    const pooler = await startPgBouncer(cluster, settings);
    onTestFinished(() => pooler.stop());
    const DATABASE_URL = `postgresql://points@127.0.0.1:${pooler.port}/${database}`;
    const at = `cannot use the database at 127.0.0.1:${pooler.port}/${database}: `;
    const mend = "have it pool sessions (pool_mode = session in PgBouncer), or connect to PostgreSQL itself";
    if (problem !== undefined) {
      await expectRefused(DATABASE_URL, at + problem.replace("$mend", mend));
      return;
    }
    for (let life = 0; life < 2; life += 1) {
      const opened = await openDatabase(readConfig({ DATABASE_URL }));
      await expectWorking(opened.orm).finally(() => opened.close());
    }
  });

  test("a startup option that it refuses is named", async () => {
    const pooler = await startPgBouncer(cluster, WORKS);
    onTestFinished(() => pooler.stop());
    const url = `postgresql://points@127.0.0.1:${pooler.port}/postgres?options=-c%20geqo%3Doff`;
    await expectRefused(url, /unsupported startup parameter.*take what is named there out of DATABASE/);
  });
});

test("a name of a prepared statement stands for its text, whichever server prepares it", async () => {
  const database = await emptyDatabase();
  const orm = await openOrm(urlOf(database), 2);
  onTestFinished(() => orm.close());
  await migrate(orm);
  const prepared = await inTransaction(orm, async ({ run }) => {
    await run(sql`select 1`);
    await run(sql`select 2`);
    return run(sql<{ name: string; statement: string }>`select name, statement from pg_prepared_statements`);
  });
  expect(prepared.rows).toHaveLength(3);
  for (const { name, statement } of prepared.rows) {
    expect(name).toBe(`points_${hash("sha256", statement).slice(0, 16)}`);
  }
});

/** What a server needs no more of a test's database than this. */
const unused = { query: async () => [], close: async () => {} };

async function emptyDatabase(options = ""): Promise<string> {
  const name = await newDatabase(cluster, options);
  onTestFinished(async () => void (await cluster.query(`drop database ${name} with (force)`)));
  return name;
}

let made = 0;
async function newDatabase(on: Cluster, options = ""): Promise<string> {
  made += 1;
  const name = `ledger_${made}`;
  await on.query(`create database ${name} ${options}`);
  return name;
}

function urlOf(database: string): string {
  return withDatabase(cluster.url, database);
}

async function expectRefused(url: string, sentence: string | RegExp): Promise<void> {
  const opened = await openDatabase(readConfig({ DATABASE_URL: url })).catch((error: unknown) => error);
  expect(opened).toBeInstanceOf(UsageError);
  const { message } = opened as UsageError;
  if (typeof sentence === "string") expect(message).toBe(sentence);
  else expect(message).toMatch(sentence);
  expect(message).not.toContain("\n");
}

/** Whether a server on this database does all that reads and writes every kind of value. */
async function expectWorking(orm: Awaited<ReturnType<typeof openOrm>>): Promise<void> {
  const server = await testServer({}, { ...unused, url: "", orm });
  try {
    const { client } = server;
    made += 1;
    const userId = `user-${made}`;
    const metadata = { für: "積分 \\ 'x'" };
    const first = await client.recharge({ userId, points: 100n, expiration: ttl(3_600_000), metadata, requestId: "r" });
    const again = await client.recharge({ userId, points: 100n, expiration: ttl(3_600_000), metadata, requestId: "r" });
    expect(again).toEqual({ ...first, replayed: true });
    const { entry } = await client.consume({ userId, cost: points(10n), metadata });
    await client.refund({ userId, sequence: entry!.sequence, points: 4n });
    const { hold } = await client.freeze({ userId, cost: points(20n) });
    await client.settle({ userId, hold: hold!.number, cost: points(15n) });
    const { entries } = await client.listEntries({ userId });
    expect(entries.find(({ sequence }) => sequence === entry!.sequence)).toEqual(entry);
    expect((await client.listLots({ userId })).lots).toHaveLength(1);
    expect((await client.getOrCreate({ userId })).account?.balance).toBe(79n);
    const times = await Promise.all(
      Array.from({ length: 20 }, () => client.consume({ userId, cost: points(1n) })),
    );
    expect(new Set(times.map((one) => one.entry!.sequence)).size).toBe(20);
  } finally {
    await server.stop();
  }
}
