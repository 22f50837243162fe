import { spawn } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { MIGRATIONS } from "../../src/store/schema/migrations/list.ts";
import { auditDatabase } from "../support/audit.ts";
import { testDatabase } from "../support/database.ts";
import {
  exists,
  isAlive,
  postgresOf,
  processesIn,
  type RunningPoints,
  runPoints,
  sessionsTo,
  startPoints,
  temporaryFolder,
  until,
} from "../support/processes.ts";

const isRoot = process.getuid?.() === 0;

describe("a server with its own PostgreSQL", () => {
  test("says where it listens, which database it has and what to try", async () => {
    const dataDir = await temporaryFolder();
    const server = await startPoints({ DATA_DIR: dataDir });
    const { socketFolder } = (await postgresOf(dataDir))!;
    expect(server.stdout()).toContain(`Points listens on 127.0.0.1:${server.port} `);
    expect(server.stdout()).toContain(`Database: its own PostgreSQL in ${dataDir} `);
    expect(server.stdout()).toContain(`(psql -h ${socketFolder} -U points)`);

    // What it says to try is tried as a person would: pasted into a shell.
    const [, command] = /(curl .*?)\nStop: /s.exec(server.stdout())!;
    const [, json] = /-d '(.*?)'/.exec(command!)!;
    const [, url] = /(http:\S+)/.exec(command!)!;
    const headers = { "content-type": "application/json" };
    const answer = await fetch(url!, { method: "POST", headers, body: json! });
    expect(await answer.json()).toMatchObject({ account: { userId: "ada" }, created: true });
  });

  test("leaves nothing behind when told to stop, and has the data at the next start", async () => {
    const dataDir = await temporaryFolder();
    const first = await startPoints({ DATA_DIR: dataDir });
    await recharge(first, 5n);
    await expectCleanEnd(first, dataDir, () => first.child.kill("SIGTERM"));

    const second = await startPoints({ DATA_DIR: dataDir });
    await recharge(second, 6n);
    // A terminal's Ctrl-C goes to all processes of the group.
    await expectCleanEnd(second, dataDir, () => process.kill(-second.child.pid!, "SIGINT"));

    const third = await startPoints({ DATA_DIR: dataDir });
    expect(await balance(third)).toBe(11n);
    await expectCleanEnd(third, dataDir, () => third.child.kill("SIGTERM"));
  });

  test("leaves nothing behind when it is told to stop twice", async () => {
    const dataDir = await temporaryFolder();
    const server = await startPoints({ DATA_DIR: dataDir });
    // `npm start` passes on the Ctrl-C that the terminal has already sent to all of the group.
    await expectCleanEnd(server, dataDir, async () => {
      server.child.kill("SIGINT");
      await until("it is stopping", () => server.stderr().includes('"stopping"'));
      server.child.kill("SIGINT");
    });
  });

  test("leaves nothing behind when it is told to stop while it starts", async () => {
    const dataDir = await temporaryFolder();
    const server = runPoints({ DATA_DIR: dataDir });
    await until("PostgreSQL starts", async () => (await postgresOf(dataDir)) !== undefined);
    const { code } = await server.end("SIGTERM");
    expect(code).toBe(0);
    await expectNothingLeft(dataDir);
  });

  test("is refused a data folder that another server has, which goes on answering", async () => {
    const dataDir = await temporaryFolder();
    const first = await startPoints({ DATA_DIR: dataDir });
    await recharge(first, 5n);
    const second = await runPoints({ DATA_DIR: dataDir }).exit;
    expect(second.code).toBe(1);
    expect(second.stderr).toBe(
      `points: another Points server is using ${dataDir}. ` +
        "Stop it, or set DATA_DIR to a folder of your own.\n",
    );
    expect(await recharge(first, 6n)).toBe(11n);
    await expectCleanEnd(first, dataDir, () => first.child.kill("SIGTERM"));
  });

  test("takes the place of a server that is stopping", async () => {
    const dataDir = await temporaryFolder();
    const first = await startPoints({ DATA_DIR: dataDir });
    await recharge(first, 5n);
    const watcher = await postgres(dataDir);
    const starting = startPoints({ DATA_DIR: dataDir });
    starting.catch(() => {});
    // Each server has one connection to the database of this name: the new one's waits its turn.
    await until("the second server waits", async () => {
      const { rowCount } = await watcher.query(
        "select from pg_stat_activity where datname = 'postgres'",
      );
      return rowCount === 2;
    });
    expect((await first.end("SIGTERM")).code).toBe(0);

    const second = await starting;
    expect(await balance(second)).toBe(5n);
    await expectCleanEnd(second, dataDir, () => second.child.kill("SIGTERM"));
  });

  test("takes over the PostgreSQL that a killed server left, with its data", async () => {
    const dataDir = await temporaryFolder();
    const first = await startPoints({ DATA_DIR: dataDir });
    await recharge(first, 5n);
    await first.end("SIGKILL");
    const left = (await postgresOf(dataDir))!;
    expect(await isAlive(left.pid)).toBe(true);

    const second = await startPoints({ DATA_DIR: dataDir });
    expect(await postgresOf(dataDir)).toEqual(left);
    expect(await balance(second)).toBe(5n);
    await expectCleanEnd(second, dataDir, () => second.child.kill("SIGTERM"));
  });

  test("recovers the data after it and PostgreSQL were killed", async () => {
    const dataDir = await temporaryFolder();
    const first = await startPoints({ DATA_DIR: dataDir });
    await recharge(first, 5n);
    const { socketFolder } = (await postgresOf(dataDir))!;
    await killBoth(first, dataDir);

    const second = await startPoints({ DATA_DIR: dataDir });
    expect(await balance(second)).toBe(5n);
    expect(await exists(socketFolder), "what the killed one left in /tmp").toBe(false);
    await expectCleanEnd(second, dataDir, () => second.child.kill("SIGTERM"));
  });

  test("starts although another process has got the number of a killed PostgreSQL", async () => {
    const dataDir = await temporaryFolder();
    const first = await startPoints({ DATA_DIR: dataDir });
    await recharge(first, 5n);
    await killBoth(first, dataDir);

    // As after the restart of a container, where numbers are few. It belongs to the same user.
    const cluster = join(dataDir, "postgres");
    const { uid, gid } = await stat(cluster);
    const other = spawn("sleep", ["3600"], { stdio: "ignore", ...(isRoot ? { uid, gid } : {}) });
    onTestFinished(() => void other.kill("SIGKILL"));
    const pidFile = join(cluster, "postmaster.pid");
    const text = await readFile(pidFile, "utf8");
    await writeFile(pidFile, text.replace(/^\d+/, String(other.pid)));

    const second = await startPoints({ DATA_DIR: dataDir });
    expect(await balance(second)).toBe(5n);
    await expectCleanEnd(second, dataDir, () => second.child.kill("SIGTERM"));
    expect(await isAlive(other.pid!)).toBe(true);
  });

  test("leaves no PostgreSQL behind when it cannot listen, and says so in a sentence", async () => {
    const dataDir = await temporaryFolder();
    const holder = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void holder.close());
    await until("the port is taken", () => holder.listening);
    const { port } = holder.address() as AddressInfo;

    const { code, stdout, stderr } = await runPoints({
      DATA_DIR: dataDir,
      LISTEN: `127.0.0.1:${port}`,
    }).exit;
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(new RegExp(`^points: cannot serve: .*127\\.0\\.0\\.1:${port}\n$`));
    await expectNothingLeft(dataDir);
  });

  test("has PostgreSQL put every commit on the disk", async () => {
    const dataDir = await temporaryFolder();
    await startPoints({ DATA_DIR: dataDir });
    const { rows } = await (
      await postgres(dataDir)
    ).query(
      `select name, setting from pg_settings
       where name in ('fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses')
       order by name`,
    );
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      fsync: "on",
      full_page_writes: "on",
      listen_addresses: "",
      synchronous_commit: "on",
    });
  });

  test.skipIf(!isRoot)("runs PostgreSQL as another user where root starts it", async () => {
    const folder = await temporaryFolder();
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect((await stat(folder)).uid).toBe(0);
    const dataDir = join(folder, "not", "there", "yet");
    const server = await startPoints({ DATA_DIR: dataDir });
    const { pid, socketFolder } = (await postgresOf(dataDir))!;
    expect((await stat(`/proc/${pid}`)).uid).not.toBe(0);
    expect((await stat(join(dataDir, "postgres"))).mode & 0o077).toBe(0);
    expect((await stat(socketFolder)).mode & 0o077).toBe(0);
    expect(await recharge(server, 5n)).toBe(5n);
    await expectCleanEnd(server, dataDir, () => server.child.kill("SIGTERM"));
  });
});

describe("a server with a database that it is given", () => {
  test("embeds nothing, makes no data folder and prints no password", async () => {
    const { url } = await emptyDatabase();
    const given = new URL(url);
    given.password ||= "hunter2";
    const dataDir = join(await temporaryFolder(), "data");
    const server = await startPoints({ DATABASE_URL: given.href, DATA_DIR: dataDir });
    expect(await recharge(server, 5n)).toBe(5n);
    const place = `${decodeURIComponent(given.host)}${given.pathname}`;
    expect(server.stdout()).toContain(`Database: PostgreSQL at ${place}\n`);

    const { code, stdout, stderr } = await server.end("SIGTERM");
    expect(code).toBe(0);
    expect(stdout + stderr).not.toContain(given.password);
    expect(await exists(dataDir)).toBe(false);
    expect(await auditDatabase(url)).toEqual({ accounts: 1, entries: 1 });
  });

  test("with MIGRATE=off starts only after npm run migrate", async () => {
    const { url } = await emptyDatabase();
    const environment = { DATABASE_URL: url, MIGRATE: "off" };
    const tooEarly = await runPoints(environment).exit;
    expect(tooEarly.code).toBe(1);
    const all = MIGRATIONS.map(({ name }) => name).join(", ");
    expect(tooEarly.stderr).toBe(
      `points: the database lacks ${all}, and MIGRATE=off: run "npm run migrate" first\n`,
    );

    const migration = await runPoints({ DATABASE_URL: url }, ["migrate"]).exit;
    expect(migration).toMatchObject({ code: 0, stdout: `applied ${all}\n`, stderr: "" });
    const again = await runPoints({ DATABASE_URL: url }, ["migrate"]).exit;
    expect(again).toMatchObject({ code: 0, stdout: "the schema is up to date\n", stderr: "" });

    const server = await startPoints(environment);
    expect(await recharge(server, 5n)).toBe(5n);
    expect((await server.end("SIGTERM")).code).toBe(0);
  });

  test("that is not there says so in a sentence, without the password", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await until("it listens", () => holder.listening);
    const { port } = holder.address() as AddressInfo;
    await new Promise((closed) => holder.close(closed));

    const DATABASE_URL = `postgresql://points:hunter2@127.0.0.1:${port}/points`;
    const { code, stdout, stderr } = await runPoints({ DATABASE_URL }).exit;
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(new RegExp(`^points: .*127\\.0\\.0\\.1:${port}.*\n$`));
    expect(stderr).not.toContain("hunter2");
  });
});

async function emptyDatabase() {
  const database = await testDatabase({ empty: true });
  onTestFinished(() => database.close());
  return database;
}

function clientOf({ baseUrl }: RunningPoints) {
  const sessionManager = sessionsTo(baseUrl);
  return createClient(PointsService, createGrpcTransport({ baseUrl, sessionManager }));
}

async function recharge(server: RunningPoints, points: bigint): Promise<bigint | undefined> {
  return (await clientOf(server).recharge({ userId: "ada", points })).account?.balance;
}

async function balance(server: RunningPoints): Promise<bigint | undefined> {
  return (await clientOf(server).getOrCreate({ userId: "ada" })).account?.balance;
}

async function postgres(dataDir: string): Promise<pg.Client> {
  const { socketFolder: host, port } = (await postgresOf(dataDir))!;
  const client = new pg.Client({ host, port, user: "points", database: "points" });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

async function killBoth(server: RunningPoints, dataDir: string): Promise<void> {
  const { pid } = (await postgresOf(dataDir))!;
  await server.end("SIGKILL");
  process.kill(pid, "SIGKILL");
  await until("PostgreSQL is gone", async () => !(await isAlive(pid)));
}

async function expectCleanEnd(
  server: RunningPoints,
  dataDir: string,
  stop: () => unknown,
): Promise<void> {
  const { pid, socketFolder } = (await postgresOf(dataDir))!;
  await stop();
  expect(await server.exit).toMatchObject({ code: 0, signal: null });
  await until("PostgreSQL is gone", async () => !(await isAlive(pid)));
  expect(await exists(socketFolder)).toBe(false);
  await expectNothingLeft(dataDir);
}

async function expectNothingLeft(dataDir: string): Promise<void> {
  expect(await postgresOf(dataDir)).toBe(undefined);
  expect(await processesIn(join(dataDir, "postgres"))).toEqual([]);
}
