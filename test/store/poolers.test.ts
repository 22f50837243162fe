import { hash } from "node:crypto";
import { rm } from "node:fs/promises";
import { sql } from "kysely";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openOrm } from "../../src/store/driver/orm.ts";
import { inTransaction } from "../../src/store/driver/transaction.ts";
import { migrate } from "../../src/store/schema/migrate.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { testDatabase } from "../support/database.ts";
import { expectRefused, expectWorking, openAt } from "../support/opened.ts";
import { hasPgBouncer, startPgBouncer } from "../support/pgbouncer.ts";
import { makeFolder } from "../support/run-folder.ts";

type Settings = Readonly<Record<string, string>>;

describe.skipIf(!hasPgBouncer)("behind PgBouncer, where it is installed", () => {
  let folder: string;
  let cluster: Cluster;
  beforeAll(async () => {
    folder = await makeFolder("poolers");
    cluster = await startCluster(folder);
    const orm = await openOrm(cluster.url, 2);
    await migrate(orm);
    await orm.close();
  });
  afterAll(async () => {
    await cluster?.stop();
    await rm(folder, { recursive: true });
  });

  async function urlThrough(settings: Settings): Promise<string> {
    const pooler = await startPgBouncer(cluster, settings);
    onTestFinished(() => pooler.stop());
    return `postgresql://points@127.0.0.1:${pooler.port}/postgres`;
  }

  test.each<Settings>([
    { pool_mode: "session" },
    { pool_mode: "session", ignore_startup_parameters: "options" },
  ])("with %j it works, one server after the other", async (settings) => {
    const url = await urlThrough(settings);
    for (let life = 0; life < 2; life += 1) {
      const { orm, close } = await openAt(url);
      onTestFinished(close);
      await expectWorking(orm);
    }
  });

  const MEND =
    "have it pool sessions (pool_mode = session in PgBouncer), or connect to PostgreSQL itself";
  const TRANSACTIONS = `a pooler lends it for one transaction at a time: ${MEND}`;
  const STATEMENTS = `a pooler lends it for one statement at a time: ${MEND}`;
  const RESETS_NOTHING =
    "a pooler hands sessions on as they are: set server_reset_query = DISCARD ALL in it";
  test.each<[settings: Settings, problem: string]>([
    [{ pool_mode: "transaction" }, TRANSACTIONS],
    [{ pool_mode: "transaction", ignore_startup_parameters: "options" }, TRANSACTIONS],
    [{ pool_mode: "transaction", server_round_robin: "1" }, TRANSACTIONS],
    [{ pool_mode: "transaction", min_pool_size: "9", server_round_robin: "1" }, TRANSACTIONS],
    [{ pool_mode: "statement" }, STATEMENTS],
    [{ pool_mode: "session", server_reset_query: "" }, RESETS_NOTHING],
  ])("with %j it is refused", async (settings, problem) => {
    const url = await urlThrough(settings);
    const [, place] = /@(.*)/.exec(url)!;
    await expectRefused(url, `cannot use the database at ${place}: ${problem}`);
  });

  test("a check of it leaves other programs' sessions unchanged", async () => {
    const url = await urlThrough({ pool_mode: "transaction" });
    await expectRefused(url, /one transaction at a time/);
    const through = new pg.Client({ connectionString: url });
    onTestFinished(() => through.end());
    await through.connect();
    const { rows } = await through.query("show lock_timeout");
    expect(rows).toEqual(await cluster.query("show lock_timeout"));
  });

  test("a startup option that it refuses is named", async () => {
    const url = `${await urlThrough({ pool_mode: "session" })}?options=-c%20geqo%3Doff`;
    await expectRefused(url, /unsupported startup parameter.*: take what is named there out of /);
  });
});

test("a prepared statement's name stands for its text, on any server", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const { rows } = await inTransaction(database.orm, async ({ run }) => {
    await run(sql`select 1`);
    await run(sql`select 2`);
    return run(sql<Record<string, string>>`select name, statement from pg_prepared_statements`);
  });
  expect(rows).toHaveLength(3);
  for (const { name, statement } of rows) {
    expect(name).toBe(`points_${hash("sha256", statement!).slice(0, 16)}`);
  }
});
