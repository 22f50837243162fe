import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { seed } from "../../bench/seed.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { until } from "../support/processes.ts";
import { testServer, type TestServer } from "../support/server.ts";

const ACCOUNTS = 10_000;
const ENTRIES = 2 * ACCOUNTS;
let database: TestDatabase;
let server: TestServer;
beforeAll(async () => {
  database = await testDatabase();
  const query = async <Row>(sql: string) => (await database.query(sql)) as Row[];
  const population = { prefix: "slow-", accounts: ACCOUNTS, lots: 1, consumes: ACCOUNTS };
  await seed({ url: database.url, query }, { ...population, transactionEntries: 40 });
  server = await testServer({}, database);
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

test("a reader that stops keeps no transaction open, and the server reads no further for it", async () => {
  const leaving = new AbortController();
  onTestFinished(() => leaving.abort());
  const stream = server.client.streamEntries({ cursor: "0" }, { signal: leaving.signal });
  const messages = stream[Symbol.asyncIterator]();
  let { entries, caughtUpTo } = (await messages.next()).value!;
  for (let look = 0; look < 20; look += 1) {
    const old = await openTransactions();
    await until("they have ended", async () => {
      const now = new Set(await openTransactions());
      return old.every((transaction) => !now.has(transaction));
    });
    await sleep(50);
  }
  // What the server has read already, it sends all the same: a piece of at most 8,000, and the next.
  await database.query(`
    delete from points.entry where feed >=
      (select percentile_disc(0.75) within group (order by feed) from points.entry)`);
  const [kept] = await database.query("select count(*)::int from points.entry");
  let seen = entries.length;
  while (caughtUpTo === undefined) {
    ({ entries, caughtUpTo } = (await messages.next()).value!);
    seen += entries.length;
  }
  expect(seen).toBe(kept!["count"]);
  expect(seen).toBeGreaterThan(ENTRIES / 2);
});

/** Transactions under way in the server's sessions. */
async function openTransactions(): Promise<string[]> {
  const rows = await database.query(`
    select pid || ' ' || xact_start as transaction from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null`);
  return rows.map(({ transaction }) => transaction as string);
}
