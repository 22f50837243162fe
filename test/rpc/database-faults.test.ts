import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openOrm } from "../../src/store/driver/orm.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { refusalOf } from "../support/error-info.ts";
import { testServer, type TestServer } from "../support/server.ts";

const userId = "ada";
const unavailable = {
  code: "Unavailable",
  reason: "DATABASE_UNAVAILABLE",
  outcome: "NOT_APPLIED",
  retryMs: 200,
};

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

describe("without a database", () => {
  let server: TestServer;
  beforeAll(async () => {
    const orm = await openOrm("postgresql://points@127.0.0.1:1/points", 2);
    server = await testServer({}, { ...database, orm });
  });
  afterAll(() => server.stop());

  const calls: [name: string, call: (server: TestServer) => Promise<unknown>][] = [
    ["GetOrCreate", ({ client }) => client.getOrCreate({ userId })],
    ["Consume", ({ client }) => client.consume({ userId, cost: { case: "points", value: 1n } })],
    ["GetEntry", ({ client }) => client.getEntry({ userId, by: { case: "sequence", value: 1n } })],
    ["ListEntries", ({ client }) => client.listEntries({ userId })],
    ["ListLots", ({ client }) => client.listLots({ userId })],
    ["ListHolds", ({ client }) => client.listHolds({ userId })],
    ["ListAccounts", ({ client }) => client.listAccounts({})],
    ["ListExpiring", ({ client }) => client.listExpiring({ within: { seconds: 60n } })],
    [
      "SearchEntries",
      ({ client }) => client.searchEntries({ by: { case: "requestId", value: "r" } }),
    ],
    ["Summarize", ({ client }) => client.summarize({})],
    ["Quote", ({ client }) => client.quote({ userId, usage: { service: "script" } })],
    ["WatchAccount", ({ client }) => firstOf(client.watchAccount({ userId }))],
  ];

  test.for(calls)("%s says that there is none, and that nothing was applied", async ([, call]) => {
    expect(await refusalOf(call(server))).toMatchObject(unavailable);
  });

  test("a price list needs none", async () => {
    expect((await server.client.getPriceList({})).prices).not.toEqual([]);
  });
});

describe("when the database", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await testServer({}, database);
    await server.client.recharge({ userId, points: 1_000n });
    // Writing an entry of a user fails with the code that the table `fault` holds for that user.
    await database.query(`
      create table points.fault (user_id text, code text, times int);
      create sequence points.fault_seen;
      create function points.fail() returns trigger language plpgsql as $$
      declare due record;
      begin
        for due in select * from points.fault where user_id = new.user_id loop
          if nextval('points.fault_seen') <= due.times then
            raise exception using errcode = due.code;
          end if;
        end loop;
        return new;
      end $$;
      create trigger fail before insert on points.entry for each row execute function points.fail();
    `);
  });
  afterAll(() => server.stop());

  const consume = (of = userId) =>
    server.client.consume({ userId: of, cost: { case: "points", value: 1n } });

  /** Makes a number of writes for a user fail while `work` runs. */
  async function failing<T>(of: string, code: string, times: number, work: () => Promise<T>) {
    await database.query("select setval('points.fault_seen', 1, false)");
    await database.query("insert into points.fault values ($1, $2, $3)", [of, code, times]);
    try {
      return await work();
    } finally {
      await database.query("delete from points.fault");
    }
  }

  test("loses all connections, calls do not notice", async () => {
    for (let round = 0; round < 3; round += 1) {
      await consume();
      await database.query(`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`);
    }
    await expect(consume()).resolves.toMatchObject({ replayed: false });
  });

  test.for(["40P01", "40001", "55P03"])("fails with %s, the batch is tried again", async (code) => {
    const { entry } = await consume();
    const answer = await failing(userId, code, 2, () => consume());
    expect(answer.entry?.sequence).toBe(entry!.sequence + 1n);
  });

  test.for(["53100", "53200", "53300", "57P03", "58030", "25006"])(
    "fails with %s for a while, calls are refused, and work again after it",
    async (code) => {
      const { entry } = await consume();
      const refusal = await failing(userId, code, 1_000, () => refusalOf(consume()));
      expect(refusal).toMatchObject(unavailable);
      expect((await consume()).entry?.sequence).toBe(entry!.sequence + 1n);
    },
  );

  test("becomes read-only, as after a failover, reads go on and writes are refused", async () => {
    const isReadOnly = async (value: "on" | "off") => {
      await database.query("begin; set local transaction_read_only = off");
      const [row] = await database.query("select current_database() as name");
      await database.query(
        `alter database ${String(row!["name"])} set default_transaction_read_only = ${value}`,
      );
      await database.query(`commit; select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`);
    };
    await isReadOnly("on");
    expect(await refusalOf(consume())).toMatchObject(unavailable);
    expect((await server.client.listEntries({ userId })).entries).not.toEqual([]);
    await isReadOnly("off");
    await expect(consume()).resolves.toMatchObject({ replayed: false });
  });

  test("refuses what one command writes, its neighbours are applied", async () => {
    const users = ["n1", "n2", "poison", "n3", "n4"];
    for (const user of users) await server.client.recharge({ userId: user, points: 10n });
    const calls = () =>
      Promise.allSettled(users.map((user) => consume(user).then(({ account }) => account)));
    const results = await failing("poison", "22000", 1_000, calls);
    expect(results.map(({ status }) => status)).toEqual([
      "fulfilled",
      "fulfilled",
      "rejected",
      "fulfilled",
      "fulfilled",
    ]);
    const refused = results[2] as PromiseRejectedResult;
    expect(await refusalOf(Promise.reject(refused.reason as Error))).toMatchObject({
      code: "Internal",
      reason: "INTERNAL",
      outcome: "NOT_APPLIED",
    });
    expect(await consume("poison")).toMatchObject({ account: { balance: 9n, sequence: 2n } });
  });
});

async function firstOf<T>(stream: AsyncIterable<T>): Promise<T | undefined> {
  for await (const one of stream) return one;
  return undefined;
}
