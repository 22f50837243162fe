import { rm } from "node:fs/promises";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openOrm } from "../../src/store/driver/orm.ts";
import { migrate } from "../../src/store/schema/migrate.ts";
import { type Cluster, hasDebians, startCluster, startDebians } from "../support/cluster.ts";
import { expectWorking, openAt } from "../support/opened.ts";
import { makeFolder } from "../support/run-folder.ts";

async function startOurs(): Promise<Cluster> {
  const folder = await makeFolder("session");
  const cluster = await startCluster(folder);
  const stop = async () => {
    await cluster.stop();
    await rm(folder, { recursive: true });
  };
  return { ...cluster, stop };
}

describe.each([
  { name: "the PostgreSQL that npm brings", isThere: true, start: startOurs },
  { name: "Debian's PostgreSQL 15", isThere: hasDebians, start: startDebians },
])("on $name, where it is installed", ({ isThere, start }) => {
  let cluster: Cluster;
  beforeAll(async () => {
    if (!isThere) return;
    cluster = await start();
    // PostgreSQL's own functions must not be shadowed by these.
    await cluster.query(`
      create schema evil;
      create function evil.clock_timestamp() returns timestamptz language sql
        return timestamptz '1999-01-01';
      grant usage on schema evil to public;
      create role server login`);
    const orm = await openOrm(cluster.url, 2);
    await migrate(orm, "server");
    await orm.close();
  });
  afterAll(() => cluster?.stop());

  test.skipIf(!isThere).each<[setting: string, value: string, ours?: string]>([
    ["datestyle", "'SQL, DMY'", "ISO, MDY"],
    ["datestyle", "German", "ISO, MDY"],
    ["intervalstyle", "sql_standard", "postgres"],
    ["timezone", "'Asia/Kathmandu'", "UTC"],
    ["client_encoding", "'LATIN1'", "UTF8"],
    ["standard_conforming_strings", "off", "on"],
    ["bytea_output", "escape", "hex"],
    ["extra_float_digits", "-15", "1"],
    ["array_nulls", "off", "on"],
    ["search_path", "evil, pg_catalog", '"points", pg_temp'],
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
    ["work_mem", "'64kB'"],
  ])("a database may set %s = %s, and it works as ever", async (setting, value, ours) => {
    await cluster.query(`alter database postgres set ${setting} = ${value}`);
    onTestFinished(async () => {
      await cluster.query(`alter database postgres reset ${setting}`);
    });
    const database = await openAt(cluster.url.replace("points@", "server@"));
    onTestFinished(() => database.close());
    await expectWorking(database.orm);
    const { rows } = await sql<{ is: string }>`
      select current_setting(${setting}) as is`.execute(database.orm.em.getKysely());
    expect(rows[0]!.is).toBe(ours ?? rows[0]!.is);
  });
});
