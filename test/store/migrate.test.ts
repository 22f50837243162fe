import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openOrm } from "../../src/store/driver/orm.ts";
import { migrate, pendingMigrations } from "../../src/store/schema/migrate.ts";
import { MIGRATIONS } from "../../src/store/schema/migrations/list.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";

const NAMES = MIGRATIONS.map(({ name }) => name);

test("if several servers start at once, one runs each migration and none fails", async () => {
  const database = await testDatabase({ empty: true });
  onTestFinished(() => database.close());
  const orms = await Promise.all([0, 1, 2, 3].map(() => openOrm(database.url, 2)));
  onTestFinished(async () => {
    await Promise.all(orms.map((orm) => orm.close()));
  });

  const ran = await Promise.all(orms.map((orm) => migrate(orm)));
  expect(ran.toSorted((a, b) => b.length - a.length)).toEqual([NAMES, [], [], []]);
  const rows = await database.query("select name from points.migration order by id");
  expect(rows).toEqual(NAMES.map((name) => ({ name })));
  expect(await pendingMigrations(database.orm.em.fork())).toEqual([]);
});

test("asking what a database lacks writes nothing", async () => {
  const database = await testDatabase({ empty: true });
  onTestFinished(() => database.close());
  expect(await pendingMigrations(database.orm.em.fork())).toEqual(NAMES);
  expect(await database.query("select from pg_namespace where nspname = 'points'")).toEqual([]);
});

describe("the migrated schema", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase();
  });
  afterAll(() => database.close());

  // More strictly in entities.test.ts; this one sees defaults too.
  test("leaves the ORM no column to change", async () => {
    const statements = (await database.orm.schema.getUpdateSchemaSQL({ wrap: false }))
      .split(/;\s*/)
      .filter((statement) => CHANGE.test(statement));
    expect(statements).toEqual([]);
  });

  test("takes the rows from which the refused ones below are made", async () => {
    await insert("account", {});
    await insert("lot", {});
    await insert("entry", {});
    await insert("receipt", {});
    await insert("hold", {});
    await insert("undone", {});
    await insert("epoch", {});
    await insert("policy", {});
    await insert("policy", { ...OF_MEMBER, since: 1, spent: 0 });
    await insert("entry", { user_id: "eve", ...ERASED });
    await insert("receipt", { user_id: "eve", ...ERASED });
  });

  test.each<{ what: string; table: Table; change: Row }>([
    { what: "a negative balance", table: "account", change: { balance: -1, frozen: 6 } },
    { what: "a negative frozen", table: "account", change: { balance: 6, frozen: -1 } },
    {
      what: "negative consumption",
      table: "account",
      change: { balance: 6, total_consumed: -1 },
    },
    { what: "negative expiry", table: "account", change: { balance: 6, total_expired: -1 } },
    {
      what: "a negative recharge",
      table: "account",
      change: { balance: 0, total_recharged: -1, total_refunded: 1 },
    },
    {
      what: "a negative refund",
      table: "account",
      change: { total_recharged: 6, total_refunded: -1 },
    },
    { what: "an equation that does not hold", table: "account", change: { balance: 4 } },
    {
      what: "negative revocations",
      table: "account",
      change: { total_revoked: -1, balance: 6 },
    },
    { what: "a negative debt", table: "account", change: { debt: -1, balance: 4 } },
    { what: "a debt that the balance does not show", table: "account", change: { debt: 1 } },
    {
      what: "debts past 2^53 - 1",
      table: "account",
      change: { balance: "9007199254740992", total_recharged: 0, debt: "9007199254740992" },
    },
    {
      what: "recharges past 2^53 - 1",
      table: "account",
      change: { balance: "9007199254740992", total_recharged: "9007199254740992" },
    },
    {
      what: "refunds past 2^53 - 1",
      table: "account",
      change: {
        balance: "9007199254740992",
        total_recharged: 0,
        total_refunded: "9007199254740992",
      },
    },
    { what: "a negative sequence", table: "account", change: { sequence: -1 } },
    {
      what: "points in lots beyond the row, of which there are none",
      table: "account",
      change: { beyond_remaining: 1 },
    },
    { what: "a clock that never comes", table: "account", change: { due_time: "infinity" } },
    { what: "a hash that is too short", table: "account", change: { hash: "\\x00" } },
    { what: "a salt that is too short", table: "account", change: { salt: "\\x00" } },
    { what: "a lot with more remaining than points", table: "lot", change: { remaining: 6 } },
    {
      what: "a lot with more remaining and frozen than points",
      table: "lot",
      change: { remaining: 3, frozen: 3 },
    },
    { what: "a lot with less than nothing", table: "lot", change: { remaining: -1 } },
    { what: "a lot with less than nothing frozen", table: "lot", change: { frozen: -1 } },
    { what: "a lot of no points", table: "lot", change: { points: 0, remaining: 0 } },
    { what: "a lot without a number", table: "lot", change: { number: 0 } },
    { what: "a priority past 1000", table: "lot", change: { priority: 1001 } },
    { what: "a priority below 0", table: "lot", change: { priority: -1 } },
    { what: "an entry of no kind", table: "entry", change: { kind: 11 } },
    { what: "an entry of the kind that is never sent", table: "entry", change: { kind: 0 } },
    { what: "an extension of no hold", table: "entry", change: { kind: 9, refers_to: null } },
    { what: "a charge that keeps a hold open", table: "entry", change: { kept_open: true } },
    { what: "a charge by a claim", table: "entry", change: { from_claim: true, refers_to: 1 } },
    {
      what: "a claim of no lot",
      table: "entry",
      change: { kind: 8, refers_to: null, from_claim: true },
    },
    { what: "a policy of another kind of entry", table: "entry", change: { policy: "{}" } },
    { what: "an entry of the policy that says none", table: "entry", change: { kind: 10 } },
    {
      what: "a charge by an allowance",
      table: "entry",
      change: { kind: 2, cause: "monthly" },
    },
    { what: "fewer policies than none", table: "account", change: { policies: -1 } },
    {
      what: "a write that knows nothing of policies",
      table: "account",
      change: { policies: 1 },
    },
    { what: "a policy without a rule", table: "policy", change: { rule: null } },
    { what: "a member's policy", table: "policy", change: { member: "bea" } },
    { what: "a policy of no entry", table: "policy", change: { sequence: 0 } },
    { what: "a policy that no entry set", table: "policy", change: { sequence: null } },
    { what: "a period before the first", table: "policy", change: { period: -1 } },
    { what: "a period that never comes", table: "policy", change: { next_time: "infinity" } },
    { what: "a window that never ends", table: "policy", change: { until: "infinity" } },
    { what: "less than nothing spent", table: "policy", change: { spent: -1 } },
    { what: "a member who spent nothing of a limit", table: "policy", change: OF_MEMBER },
    { what: "fewer open claims than none", table: "account", change: { open_claims: -1 } },
    {
      what: "a write that knows nothing of open claims",
      table: "account",
      change: { open_claims: 1 },
    },
    {
      what: "a closed hold that is settled in parts",
      table: "hold",
      change: { status: "released", in_parts: true },
    },
    { what: "an entry of negative points", table: "entry", change: { points: -1 } },
    { what: "an entry without a number", table: "entry", change: { sequence: 0 } },
    { what: "an entry with empty allocations", table: "entry", change: { allocations: "\\x11" } },
    { what: "an entry that leaves 0 frozen, and says so", table: "entry", change: { frozen: 0 } },
    { what: "an entry of priority 0, which says so", table: "entry", change: { priority: 0 } },
    {
      what: "an entry that leaves less than nothing refunded",
      table: "entry",
      change: { total_recharged: 6, total_refunded: -1 },
    },
    {
      what: "an entry after which more was owed than the balance shows",
      table: "entry",
      change: { debt: 1 },
    },
    {
      what: "an entry after which more was revoked than the balance shows",
      table: "entry",
      change: { total_revoked: 1 },
    },
    { what: "an entry of no epoch", table: "entry", change: { epoch: 0 } },
    { what: "an entry without a feed number", table: "entry", change: { feed: 0 } },
    { what: "an entry that owes less than nothing", table: "entry", change: { owed: -1 } },
    {
      what: "an entry after which the equation does not hold",
      table: "entry",
      change: { balance: 4 },
    },
    {
      what: "an entry that leaves a negative balance",
      table: "entry",
      change: { balance: -1, total_consumed: 6 },
    },
    { what: "a request without a fingerprint", table: "entry", change: { fingerprint: null } },
    { what: "a fingerprint without a request", table: "entry", change: { request_id: null } },
    { what: "a fingerprint that is too short", table: "entry", change: { fingerprint: "\\x00" } },
    {
      what: "an erased entry that keeps its request",
      table: "entry",
      change: { personal_digest: HASH },
    },
    {
      what: "an erased entry that keeps its metadata",
      table: "entry",
      change: { ...ERASED, metadata: "{}" },
    },
    {
      what: "an erased entry that keeps its actor",
      table: "entry",
      change: { ...ERASED, actor: "ana" },
    },
    {
      what: "a digest of what was erased that is too short",
      table: "entry",
      change: { ...ERASED, personal_digest: "\\x00" },
    },
    { what: "an erasure that does not say of what", table: "entry", change: { kind: 11 } },
    {
      what: "an erasure of a hash that is too short",
      table: "entry",
      change: { kind: 11, erased_hash: "\\x00" },
    },
    { what: "a recharge that erases", table: "entry", change: { erased_hash: HASH } },
    {
      what: "an erased receipt that keeps its request",
      table: "receipt",
      change: { personal_digest: HASH },
    },
    {
      what: "a receipt's digest of what was erased that is too short",
      table: "receipt",
      change: { ...ERASED, personal_digest: "\\x00" },
    },
    {
      what: "a digest of an erased name that is too short",
      table: "account",
      change: { name_digest: "\\x00" },
    },
    { what: "an entry that returned less than nothing", table: "entry", change: { returned: -1 } },
    { what: "a recharge that is about an entry", table: "entry", change: { refers_to: 1 } },
    { what: "a settle that is about nothing", table: "entry", change: { kind: 5 } },
    { what: "a release that is about nothing", table: "entry", change: { kind: 6 } },
    { what: "a refund that is about nothing", table: "entry", change: { kind: 7 } },
    { what: "a service without a price version", table: "entry", change: { service: "tts" } },
    { what: "a price version without a service", table: "entry", change: { price_version: "1" } },
    { what: "a pricing without a service", table: "entry", change: { pricing: "{}" } },
    { what: "a hold without a number", table: "hold", change: { number: 0 } },
    { what: "a hold of negative points", table: "hold", change: { points: -1 } },
    { what: "a hold of no status", table: "hold", change: { status: "lost" } },
    {
      what: "a hold that settled more than it has",
      table: "hold",
      change: { status: "settled", settled: 6 },
    },
    {
      what: "a hold that settled less than nothing",
      table: "hold",
      change: { status: "settled", settled: -1 },
    },
    { what: "a hold with empty allocations", table: "hold", change: { allocations: "\\x11" } },
    { what: "a refund of nothing", table: "undone", change: { refunded: 0 } },
    {
      what: "less than nothing revoked",
      table: "undone",
      change: { revoked: -1, claimed: -1 },
    },
    { what: "a claim on more than was revoked", table: "undone", change: { claimed: 1 } },
    { what: "a refund of no entry", table: "undone", change: { sequence: 0 } },
    { what: "a receipt's short fingerprint", table: "receipt", change: { fingerprint: "\\x00" } },
    { what: "a receipt of a negative sequence", table: "receipt", change: { sequence: -1 } },
    { what: "a receipt without a number", table: "receipt", change: { number: 0 } },
    { what: "a receipt's hash that is too short", table: "receipt", change: { hash: "\\x00" } },
    { what: "a receipt without a fingerprint", table: "receipt", change: { fingerprint: null } },
    { what: "a receipt without a request id", table: "receipt", change: { request_id: null } },
    {
      what: "a receipt of no request after the first",
      table: "receipt",
      change: { request_id: null, fingerprint: null, number: 2, sequence: 0 },
    },
    {
      what: "a receipt of no request after an entry",
      table: "receipt",
      change: { request_id: null, fingerprint: null },
    },
    {
      what: "a receipt of an entry that there cannot be",
      table: "receipt",
      change: { sequence: 0, made_entry: "true" },
    },
    {
      what: "an account with fewer receipts than none",
      table: "account",
      change: { receipts: -1 },
    },
  ])("refuses $what", async ({ table, change }) => {
    // Another user's row, so that it is refused for its content and not for its key.
    await expect(insert(table, { user_id: "bob", ...change })).rejects.toMatchObject({
      code: "23514",
      table,
    });
  });

  test("refuses an overview of which a part is missing, and a second one", async () => {
    const update = "update points.overview set as_of = now()";
    await expect(database.query(update)).rejects.toMatchObject({ code: "23514" });
    const second = "insert into points.overview values (2)";
    await expect(database.query(second)).rejects.toMatchObject({ code: "23514" });
  });

  test.each<{ what: string; table: Table; change: Row; constraint: string }>([
    { what: "a user's second account", table: "account", change: {}, constraint: "account_pkey" },
    { what: "a lot's number twice", table: "lot", change: {}, constraint: "lot_pkey" },
    {
      what: "an entry's number twice",
      table: "entry",
      change: { request_id: "r2" },
      constraint: "entry_pkey",
    },
    {
      what: "the same request_id twice",
      table: "entry",
      change: { sequence: 2 },
      constraint: "entry_request",
    },
    { what: "a hold's number twice", table: "hold", change: {}, constraint: "hold_pkey" },
    { what: "an entry's refunds twice", table: "undone", change: {}, constraint: "undone_pkey" },
    {
      what: "the same request_id's receipt twice",
      table: "receipt",
      change: { number: 2 },
      constraint: "receipt_request",
    },
    {
      what: "a receipt's number twice",
      table: "receipt",
      change: { request_id: "r2" },
      constraint: "receipt_pkey",
    },
  ])("refuses $what", async ({ table, change, constraint }) => {
    await insert(table, { user_id: "cleo" });
    await expect(insert(table, { user_id: "cleo", ...change })).rejects.toMatchObject({
      code: "23505",
      constraint,
    });
    await insert(table, { user_id: "dan", ...change });
    await database.query(`delete from points.${table} where user_id in ('cleo', 'dan')`);
  });

  async function insert(table: Table, change: Row): Promise<void> {
    const row = { ...ROWS[table], ...change };
    const places = Object.keys(row).map((_, index) => `$${index + 1}`);
    await database.query(
      `insert into points.${table} (${Object.keys(row).join()}) values (${places.join()})`,
      Object.values(row),
    );
  }
});

type Table = "account" | "lot" | "hold" | "entry" | "undone" | "receipt" | "epoch" | "policy";
type Row = Readonly<Record<string, string | number | boolean | null>>;

const CHANGE = /create table|add column|alter column|drop column/i;

const HASH = `\\x${"00".repeat(32)}`;
const HALF = `\\x${"00".repeat(16)}`;
const TIME = "2026-11-23T13:05:00.000001Z";
const FIGURES = {
  balance: 5,
  frozen: 0,
  total_recharged: 5,
  total_consumed: 0,
  total_expired: 0,
  total_refunded: 0,
};

/** What a member has spent of a limit for each. */
const OF_MEMBER = { member: "bea", rule: null, sequence: null, counts_from: null, ended: null };

/** Of a request that was erased. */
const ERASED = { request_id: null, personal_digest: HASH };

const ROWS: Record<Table, Row> = {
  account: {
    user_id: "ada",
    sequence: 1,
    ...FIGURES,
    hash: HASH,
    salt: HALF,
    create_time: TIME,
    update_time: TIME,
  },
  lot: {
    user_id: "ada",
    number: 1,
    points: 5,
    remaining: 5,
    frozen: 0,
    priority: 0,
    expire_time: null,
  },
  hold: {
    user_id: "ada",
    number: 1,
    points: 5,
    settled: 0,
    status: "open",
    expire_time: TIME,
    allocations: "\\x110105",
  },
  undone: { user_id: "ada", sequence: 1, refunded: 5 },
  policy: {
    user_id: "ada",
    member: "",
    name: "team",
    sequence: 1,
    counts_from: 1,
    rule: "{}",
    ended: "false",
    period: null,
    next_time: null,
    since: null,
    until: null,
    spent: null,
  },
  entry: {
    user_id: "ada",
    sequence: 1,
    kind: 1,
    points: 5,
    allocations: "\\x110105",
    returned: null,
    refers_to: null,
    create_time: TIME,
    expire_time: null,
    priority: null,
    service: null,
    price_version: null,
    pricing: null,
    request_id: "r1",
    fingerprint: HALF,
    metadata: null,
    balance: 5,
    total_recharged: 5,
    total_consumed: 0,
    hash: HASH,
    epoch: 1,
    feed: 1,
  },
  epoch: { epoch: 1, system_identifier: 1, timeline: 1, begin_time: TIME },
  receipt: {
    user_id: "ada",
    number: 1,
    sequence: 1,
    made_entry: "false",
    request_id: "r1",
    fingerprint: HALF,
    hash: HASH,
  },
};
