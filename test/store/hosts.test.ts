import { join } from "node:path";
import { sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { openOrm } from "../../src/store/driver/orm.ts";
import { migrate } from "../../src/store/schema/migrate.ts";
import { type Cluster, copyAsStandby, startCluster } from "../support/cluster.ts";
import { expectRefused, openAt, serverOn } from "../support/opened.ts";
import { withDatabase } from "../support/postgres.ts";
import { runPoints, temporaryFolder, until } from "../support/processes.ts";

test("several hosts are tried until one takes writes, after a failover too", async () => {
  const { primary, standby } = await startBoth();
  const hosts = `127.0.0.1:${standby.port},127.0.0.1:${primary.port}`;
  const url = `postgresql://points@${hosts}/points`;
  expect(await portOf(url)).toBe(primary.port);
  for (const attributes of ["any", "standby", "read-only"]) {
    expect(await portOf(`${url}?target_session_attrs=${attributes}`)).toBe(standby.port);
  }
  for (const attributes of ["read-write", "primary"]) {
    expect(await portOf(`${url}?target_session_attrs=${attributes}`)).toBe(primary.port);
  }

  const { orm, close } = await openAt(url);
  onTestFinished(close);
  const { client, stop } = await serverOn(orm);
  onTestFinished(stop);
  const recharge = (userId: string) => client.recharge({ userId, points: 5n });
  await recharge("ada");
  await primary.stop();
  await expect(recharge("ada")).rejects.toThrow(/unavailable/i);
  await expectRefused(url, /database: 127.*: it is a standby, and .*: connect ECONNREFUSED /);

  await standby.query("select pg_promote()");
  await until("a server has found the new primary", () =>
    recharge("ada").then(
      () => true,
      () => false,
    ),
  );
  expect(await portOf(url)).toBe(standby.port);
});

test("a standby can be read, and is refused for writing", async () => {
  const { standby } = await startBoth();
  const DATABASE_URL = `postgresql://points@127.0.0.1:${standby.port}/points`;
  await expectRefused(
    DATABASE_URL,
    `cannot use the database at 127.0.0.1:${standby.port}/points: it is a standby, which takes no ` +
      "writes: name the primary in DATABASE_URL, or all hosts",
  );
  expect(await runPoints({ DATABASE_URL }, ["verify"]).exit).toMatchObject({
    code: 0,
    stdout: "0 accounts, 0 entries: all in order\n",
  });
});

/** A primary and a standby copied from it. Both are stopped at the end of the test, if not before. */
async function startBoth(): Promise<{ primary: Cluster; standby: Cluster }> {
  const folder = await temporaryFolder();
  const [one, two] = [join(folder, "one"), join(folder, "two")];
  const first = await startCluster(one);
  const orm = await openOrm(withDatabase(first.url, "points"), 2);
  await migrate(orm);
  await orm.close();
  await first.stop();
  await copyAsStandby(one, two);
  const [primary, standby] = [await startCluster(one), await startCluster(two)];
  for (const cluster of [primary, standby]) onTestFinished(() => cluster.stop());
  return { primary, standby };
}

async function portOf(url: string): Promise<number | undefined> {
  const orm = await openOrm(url, 2);
  try {
    const { rows } = await sql<{ port: number }>`
      select inet_server_port() as port`.execute(orm.em.getKysely());
    return rows[0]?.port;
  } finally {
    await orm.close();
  }
}
