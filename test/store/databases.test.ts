import { rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openOrm } from "../../src/store/driver/orm.ts";
import { migrate } from "../../src/store/schema/migrate.ts";
import { makeAuthority } from "../support/certificates.ts";
import { type Cluster, freePort, hasIpv6, startCluster } from "../support/cluster.ts";
import { expectRefused, openAt } from "../support/opened.ts";
import { withDatabase } from "../support/postgres.ts";
import { runPoints, until } from "../support/processes.ts";
import { makeFolder } from "../support/run-folder.ts";

const ipv6 = await hasIpv6();

const SYSTEM_USER = userInfo().username;
const ROLES = [SYSTEM_USER, "with_tls", "without_tls", "by_certificate", "refused", "stranger"];
const HBA = `
local   all all              trust
hostssl all with_tls       all trust
hostnossl all without_tls  all trust
hostssl all by_certificate all cert
host    all with_password  all scram-sha-256
host    all crowded        all trust
host    all points         all trust
host    all "${SYSTEM_USER}" all trust
`;

let folder: string;
let cluster: Cluster;
/** The values of `$name` in the tables of tests, which exist before anything runs. */
let places: Readonly<Record<string, string>>;
beforeAll(async () => {
  folder = await makeFolder("databases");
  cluster = await startCluster(join(folder, "one"));
  const [authority, stranger] = await Promise.all([makeAuthority(), makeAuthority()]);
  const server = await authority.sign("database.internal");
  const client = await authority.sign("by_certificate");
  const files = {
    "server.crt": server.cert,
    "server.key": server.key,
    "ca.crt": authority.cert,
    "pg_hba.conf": HBA,
  };
  await cluster.configure(files, [
    ...ROLES.map((role) => `create role "${role}" login`),
    "create role with_password login password 'p@ss/wörd+1'",
    "create role crowded login connection limit 0",
    "alter system set ssl = on",
    "alter system set ssl_ca_file = 'ca.crt'",
  ]);
  places = {
    socket: encodeURIComponent(cluster.socketFolder),
    folder: cluster.socketFolder,
    port: String(cluster.port),
    closed: String(await freePort()),
    ca: join(folder, "ca.crt"),
    strange: join(folder, "strange.crt"),
    cert: join(folder, "client.crt"),
    key: join(folder, "client.key"),
    other: join(folder, "other.key"),
  };
  const written = {
    ca: authority.cert,
    strange: stranger.cert,
    cert: client.cert,
    key: client.key,
    other: server.key,
  };
  for (const [name, pem] of Object.entries(written)) await writeFile(places[name]!, pem);
});
afterAll(async () => {
  await cluster.stop();
  await rm(folder, { recursive: true });
});

function filledIn(url: string): string {
  return url.replace(/\$(\w+)/g, (_, name: string) => places[name]!);
}

/** A connection, as the database sees it. */
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
  const AT = "127.0.0.1:$port/postgres";
  const plain = { user: "points", tls: false, address: "127.0.0.1" };
  const tls = { user: "points", tls: true, address: "127.0.0.1" };
  const socket = { user: "points", tls: false, address: null };
  test.each<[url: string, seen: Record<string, unknown>]>([
    ["points@$socket:$port/postgres", socket],
    ["points@$socket:$port/postgres?sslmode=require", socket],
    ["points@127.0.0.1:$closed/postgres?host=$socket&port=$port", socket],
    ["127.0.0.1/x?port=$port&user=points&dbname=postgres", { ...tls, database: "postgres" }],
    [AT, { ...tls, user: SYSTEM_USER }],
    [`points@${AT}`, { ...tls, application: "points" }],
    [`points@${AT}?sslmode=disable`, plain],
    [`points@${AT}?sslmode=allow`, plain],
    [`with_tls@${AT}?sslmode=allow`, { user: "with_tls", tls: true }],
    [`without_tls@${AT}?sslmode=prefer`, { user: "without_tls", tls: false }],
    [`points@${AT}?sslmode=require`, tls],
    [`points@${AT}?ssl=true`, tls],
    [`points@${AT}?sslmode=require&sslrootcert=$ca`, tls],
    [`points@${AT}?sslmode=verify-ca&sslrootcert=$ca`, tls],
    [`points@localhost:$port/postgres?sslmode=verify-ca&sslrootcert=$ca`, { tls: true }],
    [`points@${AT}?sslmode=verify-full&sslrootcert=$ca`, tls],
    [`points@${AT}?sslmode=prefer&sslrootcert=$strange`, plain],
    [`by_certificate@${AT}?sslmode=require&sslcert=$cert&sslkey=$key`, { user: "by_certificate" }],
    [`with_password:p%40ss%2Fw%C3%B6rd+1@${AT}`, { user: "with_password", tls: true }],
    [`with_password@${AT}?password=p%40ss%2Fw%C3%B6rd+1`, { user: "with_password" }],
    [`with_password:p%40ss%2Fw%C3%B6rd+1@${AT}?channel_binding=prefer`, { tls: true }],
    [`points@${AT}?application_name=a%20b`, { application: "a b" }],
    [`points@${AT}?options=-c%20geqo%3Doff`, { geqo: "off" }],
    ["points@127.0.0.1:$closed,127.0.0.1:$port/postgres", tls],
    ["points@localhost,127.0.0.1/postgres?port=$closed,$port&connect_timeout=9", tls],
    [`points@${AT}?target_session_attrs=primary`, tls],
  ])("postgresql://%s", async (url, seen) => {
    expect(await seenFromThere(filledIn(`postgresql://${url}`))).toMatchObject(seen);
  });

  test.skipIf(!ipv6)("an address of IPv6, where there is IPv6", async () => {
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
  const AT = "127.0.0.1:$port/postgres";
  const SEE_TO_HBA =
    "let the user in by pg_hba.conf, or see to the user and sslmode in DATABASE_URL";
  const noEntry = (user: string, encryption: string) =>
    `no pg_hba.conf entry for host "127.0.0.1", user "${user}", database "postgres", ${encryption}`;
  test.each<[url: string, sentence: string]>([
    ["points@127.0.0.1:$closed/postgres", "connect ECONNREFUSED 127.0.0.1:$closed"],
    [
      "points@127.0.0.1:$closed,/postgres?port=$closed,1&host=127.0.0.1,$socket",
      "127.0.0.1:$closed: connect ECONNREFUSED 127.0.0.1:$closed; " +
        "$folder:1: connect ENOENT $folder/.s.PGSQL.1",
    ],
    [
      `with_password:wrong@${AT}`,
      'password authentication failed for user "with_password": ' +
        "see to the user and the password in DATABASE_URL",
    ],
    [`with_password@${AT}`, "it asks for a password, and DATABASE_URL has none"],
    [
      "points@127.0.0.1:$port/nowhere",
      'database "nowhere" does not exist: create it, or see to the name in DATABASE_URL',
    ],
    [
      `stranger@${AT}`,
      ["SSL encryption", "no encryption"].map((way) => noEntry("stranger", way)).join("; ") +
        `: ${SEE_TO_HBA}`,
    ],
    [`with_tls@${AT}?sslmode=disable`, `${noEntry("with_tls", "no encryption")}: ${SEE_TO_HBA}`],
    [
      `crowded@${AT}`,
      'too many connections for role "crowded": ' +
        "raise max_connections or the role's limit, or lower LANES and WORKERS",
    ],
    ...["verify-full", "prefer"].map((mode): [string, string] => [
      `points@${AT}?sslmode=${mode}&sslrootcert=/nonexistent`,
      "sslrootcert: ENOENT: no such file or directory, open '/nonexistent'",
    ]),
    [
      "points@localhost:$port/postgres?sslmode=verify-full&sslrootcert=$ca",
      "Hostname/IP does not match certificate's altnames: Host: localhost. " +
        "is not in the cert's altnames: DNS:database.internal, IP Address:127.0.0.1: " +
        "name the host in DATABASE_URL as its certificate does, or see who answers there",
    ],
    [
      `points@${AT}?target_session_attrs=standby`,
      "it takes writes, and target_session_attrs is standby",
    ],
  ])("postgresql://%s", async (url, sentence) => {
    const said = filledIn(`cannot use the database: ${sentence}`);
    await expectRefused(filledIn(`postgresql://${url}`), said);
  });

  // Node's error text depends on the authorities that it knows.
  test.each([
    "sslmode=require&sslrootcert=$strange",
    "sslmode=verify-ca&sslrootcert=$strange",
    "sslmode=verify-full",
    "sslrootcert=system",
  ])("a certificate of an authority that is not trusted, with %s", async (parameters) => {
    const url = filledIn(`postgresql://points@${AT}?${parameters}`);
    const sentence = /^cannot use .*: [^:]*certificate[^:]*: name the file with .* in sslrootcert$/;
    await expectRefused(url, sentence);
  });

  test("a certificate and a key that are no pair", async () => {
    const url = filledIn(`postgresql://points@${AT}?sslcert=$cert&sslkey=$other`);
    await expectRefused(url, /^cannot use the database: sslcert or sslkey: .*mismatch/);
  });

  test("a server without TLS, where it is required", async () => {
    const without = await startCluster(join(folder, "without"));
    onTestFinished(() => without.stop());
    const at = `postgresql://points@127.0.0.1:${without.port}/postgres`;
    expect(await seenFromThere(at)).toMatchObject({ tls: false });
    await expectRefused(
      `${at}?sslmode=require`,
      "cannot use the database: The server does not support SSL connections: " +
        "turn ssl on in PostgreSQL, or take sslmode=disable",
    );
  });

  test("a host that takes connections and says nothing", async () => {
    const silent = createServer(() => {}).listen(0, "127.0.0.1");
    onTestFinished(() => void silent.close());
    await until("it listens", () => silent.listening);
    const at = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const url = `postgresql://points@${at}/postgres?connect_timeout=1`;
    await expectRefused(url, "cannot use the database: no answer within 1 s");
  });

  test("a name none of whose addresses answers", async () => {
    const url = filledIn("postgresql://points@localhost:$closed/postgres");
    await expectRefused(url, /^cannot use the database: (connect ECONNREFUSED \S+:\d+(, )?)+$/);
  });

  test("as a process, with code 1 and no stack", async () => {
    const DATABASE_URL = filledIn("postgresql://with_password:hunter2@127.0.0.1:$port/postgres");
    const stderr =
      'points: cannot use the database: password authentication failed for user "with_password": ' +
      "see to the user and the password in DATABASE_URL\n";
    const exits = ["serve", "migrate"].map(
      (command) => runPoints({ DATABASE_URL }, [command]).exit,
    );
    for (const exit of await Promise.all(exits)) {
      expect(exit).toEqual({ code: 1, signal: null, stdout: "", stderr });
    }
  });

  test("with an encoding other than UTF8", async () => {
    const database = await emptyDatabase("encoding 'LATIN1' locale 'C' template template0");
    await expectRefused(urlOf(database), /: its encoding is LATIN1: Points takes UTF8, as create /);
    const migration = await runPoints({ DATABASE_URL: urlOf(database) }, ["migrate"]).exit;
    expect(migration).toMatchObject({ code: 1, stdout: "" });
    expect(migration.stderr).toMatch(/^points: [^\n]*its encoding is LATIN1[^\n]*\n$/);
  });

  test("that takes no writes by default_transaction_read_only", async () => {
    const database = await emptyDatabase();
    await cluster.query(`alter database ${database} set default_transaction_read_only = on`);
    await expectRefused(urlOf(database), /: default_transaction_read_only is on, so that /);
  });

  test("whose rows a policy hides from the server", async () => {
    const database = await emptyDatabase();
    const orm = await openOrm(urlOf(database), 2);
    onTestFinished(() => orm.close());
    await migrate(orm, "refused");
    await cluster.query("alter table points.lot enable row level security", database);
    const url = urlOf(database).replace("points@", "refused@");
    await expectRefused(
      url,
      /: row-level security hides the ledger's rows from the role refused: /,
    );
    await (await openAt(urlOf(database))).close();
  });

  test("restored without grants, with the command that grants them", async () => {
    const database = await emptyDatabase();
    const orm = await openOrm(urlOf(database), 2);
    onTestFinished(() => orm.close());
    await migrate(orm);
    const url = urlOf(database).replace("points@", "stranger@");
    await expectRefused(
      url,
      `cannot use the database at ${cluster.socketFolder}:${cluster.port}/${database}: ` +
        "the role stranger may not use the ledger's tables, as after a restore without grants, or an " +
        "upgrade without new ones: " +
        "run SERVER_ROLE=stranger npx points migrate as their owner, points",
    );
    const environment = { DATABASE_URL: urlOf(database), SERVER_ROLE: "stranger" };
    expect(await runPoints(environment, ["migrate"]).exit).toMatchObject({ code: 0, stderr: "" });
    await (await openAt(url)).close();
  });
});

let made = 0;
async function emptyDatabase(options = ""): Promise<string> {
  made += 1;
  const name = `ledger_${made}`;
  await cluster.query(`create database ${name} ${options}`);
  onTestFinished(async () => void (await cluster.query(`drop database ${name} with (force)`)));
  return name;
}

function urlOf(database: string): string {
  return withDatabase(cluster.url, database);
}
