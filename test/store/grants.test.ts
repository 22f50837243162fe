import { randomBytes } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Shortfall } from "../../gen/points/v1/points_pb.ts";
import { CalendarUnit } from "../../gen/points/v1/policy_pb.ts";
import { erase } from "../../src/commit/erase.ts";
import { sweep } from "../../src/commit/sweep.ts";
import { parseDatabaseUrl } from "../../src/config/database-url.ts";
import { openOrm } from "../../src/store/driver/orm.ts";
import { readOverview } from "../../src/store/reads/overview.ts";
import { checkDatabase } from "../../src/store/schema/check.ts";
import { migrate } from "../../src/store/schema/migrate.ts";
import { verify } from "../../src/verify/verify.ts";
import { commitAll } from "../support/commit-all.ts";
import { recharge } from "../support/commands.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { runPoints, until } from "../support/processes.ts";
import { creditLine, points } from "../support/requests.ts";
import { testServer } from "../support/server.ts";

const ROLE = `points_test_${randomBytes(6).toString("hex")}`;
const PASSWORD = randomBytes(12).toString("hex");

let database: TestDatabase;
let url: string;
beforeAll(async () => {
  database = await testDatabase();
  await database.query(`create role ${ROLE} login password '${PASSWORD}'`);
  await migrate(database.orm, ROLE);
  url = asRole(ROLE);
});
afterAll(async () => {
  await database.query(`drop owned by ${ROLE}`);
  await database.query(`drop role ${ROLE}`);
  await database.close();
});

function asRole(role: string): string {
  return database.url.replace(/^(\w+:\/\/)[^@]*@/, `$1${role}:${PASSWORD}@`);
}

function databaseOf(from: string): string {
  return new URL(from).pathname.slice(1);
}

async function clientOf(role: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: asRole(role) });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

const DAY = CalendarUnit.DAY;
const DAILY = {
  name: "daily",
  rule: {
    case: "allowance",
    value: { points: 9n, every: { unit: DAY }, startTime: { seconds: 3_900_000_000n } },
  },
} as const;
const EACH = {
  name: "each",
  rule: {
    case: "limit",
    value: { points: 9n, eachMember: true, window: { span: { case: "calendar", value: DAY } } },
  },
} as const;

test.each(["points", "second"])(
  "a server works in a role with no more than the privileges granted to it on the schema %s",
  async (schema) => {
    const owner = await openOrm(database.url, 2, { schema });
    onTestFinished(() => owner.close());
    await migrate(owner, ROLE);
    const orm = await openOrm(url, 8, { schema });
    onTestFinished(() => orm.close());
    const server = await testServer({ PROJECT: "on" }, { ...database, orm });
    onTestFinished(() => server.stop());
    const { client } = server;
    const userId = "ada";
    await client.getOrCreate({ userId });
    await client.recharge({ userId, points: 100n, requestId: "r1" });
    const { entry } = await client.consume({ userId, cost: points(10n) });
    await client.refund({ userId, sequence: entry!.sequence, points: 4n });
    await client.refund({ userId, sequence: entry!.sequence });
    const held = await client.freeze({ userId, cost: points(10n) });
    await client.settle({ userId, hold: held.hold!.number, cost: points(3n) });
    const again = await client.freeze({ userId, cost: points(10n) });
    await client.settle({ userId, hold: again.hold!.number, cost: points(1n), keepOpen: true });
    const extension = { case: "expireTime", value: again.hold!.expireTime! } as const;
    await client.extendHold({ userId, hold: again.hold!.number, expiration: extension });
    await client.release({ userId, hold: again.hold!.number });
    const lot = { case: "lot", value: 1n } as const;
    await client.revoke({ userId, target: lot, onShortfall: Shortfall.TAKE });
    await client.recharge({ userId, points: 97n });
    await client.expire({ userId, target: { case: "points", value: 5n } });
    await client.expire({ userId, target: { case: "due", value: true }, requestId: "e1" });
    expect((await client.recharge({ userId, points: 100n, requestId: "r1" })).replayed).toBe(true);
    for (let made = 0; made < 20; made += 1) await client.recharge({ userId: "many", points: 1n });
    await client.freeze({ userId: "many", cost: points(18n) });
    await client.release({ userId: "many", hold: 21n });
    await client.consume({ userId: "many", cost: points(17n) });
    await client.putPolicy({ userId: "team", policy: DAILY });
    await client.putPolicy({ userId: "team", policy: EACH });
    await client.recharge({ userId: "team", points: 9n });
    await client.consume({ userId: "team", cost: points(3n), member: "bea" });
    await client.putPolicy({ userId: "team", policy: creditLine(5n) });
    await client.deletePolicy({ userId: "team", name: "credit" });
    for (const read of [client.listEntries, client.listLots, client.listHolds])
      await read({ userId });
    await client.listPolicies({ userId: "team" });
    await client.getForecast({ userId: "team", until: { seconds: 4_000_000_000n } });
    await client.quote({ userId, usage: { service: "script" } });
    for await (const { account } of client.watchAccount({ userId })) {
      expect(account?.balance).toBe(92n);
      break;
    }
    await until("a scan has ended", async () => (await readOverview(orm)) !== undefined);
    await until("the sums have caught up", async () => {
      const all = await client.summarize({}).catch(() => undefined);
      return all?.caughtUpTo !== undefined;
    });
    expect(await sweep(orm, async () => Promise.reject(new Error("nothing is due")))).toBe(0);
    expect(await verify(orm)).toMatchObject({ accounts: 3, wrong: [] });
    expect(await migrate(orm)).toEqual([]);
  },
);

describe("arbitrary SQL in the server's role", () => {
  const harms = [
    "update points.entry set points = 0",
    "update points.entry set caller = 'x' where false",
    "delete from points.entry",
    "delete from points.receipt",
    "truncate points.entry",
    "truncate points.account, points.lot, points.hold, points.entry, points.undone, points.receipt",
    "drop table points.entry",
    "drop schema points cascade",
    "alter table points.entry drop column hash",
    "alter table points.entry add column x int",
    "alter table points.entry disable trigger all",
    "alter table points.entry rename to gone",
    "alter table points.entry owner to current_user",
    "create trigger t before insert on points.entry execute function suppress_redundant_updates_trigger()",
    "create rule r as on insert to points.entry do instead nothing",
    "create index on points.entry (points)",
    "create table points.mine (a int)",
    "create policy p on points.entry",
    "grant all on points.entry to public; delete from points.entry",
    "grant update on points.entry to current_user; update points.entry set points = 0",
    "insert into points.entry select * from points.entry on conflict (user_id, sequence) do update set points = 0",
    "merge into points.entry using (select 1) as one on true when matched then delete",
    "merge into points.entry using (select 1) as one on true when matched then update set points = 0",
    "select * from points.entry for update",
    "begin; lock table points.entry in access exclusive mode",
    "with gone as (delete from points.entry returning *) select * from gone",
    "do $$ begin delete from points.entry; end $$",
    "prepare gone as delete from points.entry; execute gone",
    "copy points.entry from program 'true'",
    "set session_replication_role = replica",
    "set session authorization default; delete from points.entry",
    "reset role; delete from points.entry",
    "alter role current_user superuser",
    "update points.account set user_id = 'x'",
    "delete from points.account",
    "update points.lot set points = 1",
    "delete from points.hold",
    "delete from points.undone",
    "update points.migration set name = 'x'",
    "delete from points.migration",
  ];
  test.each(harms)("%s is denied", async (harm) => {
    await database.query(`insert into points.account (user_id, sequence, balance, frozen,
        total_recharged, total_consumed, total_expired, total_refunded, hash, salt, create_time,
        update_time)
      select 'eve', 1, 5, 0, 5, 0, 0, 0, decode(repeat('00', 32), 'hex'),
        decode(repeat('00', 16), 'hex'), now(), now()
      on conflict do nothing`);
    const before = await history();
    const client = await clientOf(ROLE);
    await expect(client.query(harm)).rejects.toMatchObject({
      code: "42501",
    });
    expect(await history()).toEqual(before);
  });

  /** All rows, and the tables that they are in. */
  function history() {
    return database.query(`
      select (select json_agg(entry order by user_id, sequence) from points.entry) as entries,
        (select json_agg(receipt order by user_id, request_id) from points.receipt) as receipts,
        (select json_agg(relname || relkind::text || coalesce(relacl::text, '') order by relname)
          from pg_class where relnamespace = 'points'::regnamespace) as tables`);
  }
});

test("the server's role cannot erase anybody", async () => {
  const orm = await openOrm(url, 2);
  onTestFinished(() => orm.close());
  await commitAll(database.orm, [{ ...recharge(5n), userId: "forgotten" }]);
  await expect(erase(orm, "forgotten")).rejects.toMatchObject({ code: "42501" });
  const { wrong } = await verify(database.orm, { userIds: ["forgotten"] });
  expect(wrong).toEqual([]);
});

describe("SERVER_ROLE", () => {
  test("takes from the role what it was given before", async () => {
    await database.query(`grant all on all tables in schema points to ${ROLE}`);
    await database.query(`grant create on schema points to ${ROLE}`);
    await migrate(database.orm, ROLE);
    const client = await clientOf(ROLE);
    for (const harm of ["delete from points.entry", "create table points.mine (a int)"]) {
      await expect(client.query(harm)).rejects.toMatchObject({ code: "42501" });
    }
  });

  test("is to be given again after an upgrade, or a server does not start", async () => {
    await migrate(database.orm, ROLE);
    const check = () => checkDatabase(parseDatabaseUrl(url), "points", true);
    await check();
    await database.query(`revoke update on points.account from ${ROLE}`);
    await database.query(`grant update (balance) on points.account to ${ROLE}`);
    await expect(check()).rejects.toThrow(/an upgrade without new ones: run SERVER_ROLE=/);
    await migrate(database.orm, ROLE);
    await check();
  });

  test("is refused if there is no such role", async () => {
    await expect(migrate(database.orm, "nobody_at_all")).rejects.toThrow(
      /has no role nobody_at_all/,
    );
  });

  const OTHER = `${ROLE}_other`;
  test.each([
    ["a superuser", "superuser"],
    ["a member of the owner", 'in role "$owner"'],
    ["a member of the owner that must ask for it", 'noinherit in role "$owner"'],
    ["a member of who may write everything", "in role pg_write_all_data"],
  ])("is refused if it is %s", async (_, options) => {
    const [row] = await database.query("select current_user as owner");
    const owner = String(row!["owner"]);
    await database.query(`create role ${OTHER} ${options.replace("$owner", owner)}`);
    onTestFinished(async () => {
      await database.query(`drop role ${OTHER}`);
    });
    await expect(migrate(database.orm, OTHER)).rejects.toThrow(/may change entries whatever/);
    await expect(migrate(database.orm, owner)).rejects.toThrow(/may change entries whatever/);
  });

  test("is set by points migrate, and the server's role cannot migrate itself", async () => {
    const own = await testDatabase({ empty: true });
    onTestFinished(async () => {
      await own.query(`drop owned by ${ROLE}`);
      await own.close();
    });
    const ownUrl = own.url.replace(/^(\w+:\/\/)[^@]*@/, `$1${ROLE}:${PASSWORD}@`);
    const denied = await runPoints({ DATABASE_URL: ownUrl }, ["migrate"]).exit;
    expect(denied).toMatchObject({ code: 1, stdout: "" });
    expect(denied.stderr).toBe(
      `points: cannot use the database: permission denied for database ${databaseOf(own.url)}: ` +
        "run it as the tables' owner, or grant it to this role\n",
    );
    for (const DATABASE_SCHEMA of ["points", "second"]) {
      const environment = { DATABASE_URL: own.url, DATABASE_SCHEMA, SERVER_ROLE: ROLE };
      const migrated = await runPoints(environment, ["migrate"]).exit;
      expect(migrated).toMatchObject({ code: 0, stderr: "" });
      const verified = await runPoints({ DATABASE_URL: ownUrl, DATABASE_SCHEMA }, ["verify"]).exit;
      expect(verified).toMatchObject({ code: 0 });
    }
    await runPoints({ DATABASE_URL: own.url, DATABASE_SCHEMA: "third" }, ["migrate"]).exit;
    const refused = await runPoints({ DATABASE_URL: ownUrl, DATABASE_SCHEMA: "third" }, ["verify"])
      .exit;
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain(`the role ${ROLE} may not use the ledger's tables`);
  });
});
