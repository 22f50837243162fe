import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { inSnapshot, type Run } from "../../src/store/driver/transaction.ts";
import { flawsOfSchema, readSchema } from "../../src/verify/schema.ts";
import { verify } from "../../src/verify/verify.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

test("schema.txt is the schema that the migrations make", async () => {
  const lines = await inSnapshot(database.orm, readSchema);
  // `npx vitest run test/verify/schema.test.ts --update` writes it.
  await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot("../../src/verify/schema.txt");
});

const LACKS_REQUESTS =
  "lacks index entry unique btree (user_id, request_id) WHERE (request_id IS NOT NULL)";

test.each<{ what: string; sql: string; finds: unknown[] }>([
  {
    what: "the unique index of request ids dropped",
    sql: "drop index points.entry_request",
    finds: [LACKS_REQUESTS],
  },
  {
    what: "an index that is no longer unique",
    sql: `drop index points.receipt_request;
          create index receipt_request on points.receipt (user_id, request_id)
            where request_id is not null`,
    finds: [
      "lacks index receipt unique btree (user_id, request_id) WHERE (request_id IS NOT NULL)",
    ],
  },
  {
    what: "an index of fewer rows",
    sql: `drop index points.entry_request;
          create unique index entry_request on points.entry (user_id, request_id)
            where request_id > 'x'`,
    finds: [LACKS_REQUESTS],
  },
  {
    what: "an index that is not valid",
    sql: `update pg_index set indisvalid = false
          where indexrelid = 'points.account_due'::regclass`,
    finds: ["lacks index account btree (due_time, user_id) WHERE (due_time IS NOT NULL)"],
  },
  {
    what: "an index that is not written to",
    sql: `update pg_index set indisready = false
          where indexrelid = 'points.account_pkey'::regclass`,
    finds: ["lacks index account unique btree (user_id)"],
  },
  {
    what: "a primary key dropped",
    sql: "alter table points.lot drop constraint lot_pkey",
    finds: [
      "lacks constraint lot PRIMARY KEY (user_id, number)",
      "lacks index lot unique btree (user_id, number)",
    ],
  },
  {
    what: "a primary key that is checked later",
    sql: `alter table points.undone drop constraint undone_pkey;
          alter table points.undone add primary key (user_id, sequence) deferrable`,
    finds: [
      "lacks constraint undone PRIMARY KEY (user_id, sequence)",
      "has constraint undone PRIMARY KEY (user_id, sequence) DEFERRABLE, which no migration makes",
    ],
  },
  {
    what: "a check dropped",
    sql: "alter table points.lot drop constraint lot_remaining_check",
    finds: ["lacks constraint lot CHECK ((remaining >= 0))"],
  },
  {
    what: "a check that existing rows need not pass",
    sql: `alter table points.lot drop constraint lot_remaining_check;
          alter table points.lot add check (remaining >= 0) not valid`,
    finds: [
      "lacks constraint lot CHECK ((remaining >= 0))",
      "has constraint lot CHECK ((remaining >= 0)) NOT VALID, which no migration makes",
    ],
  },
  {
    what: "a check more",
    sql: "alter table points.lot add check (points <> 666)",
    finds: ["has constraint lot CHECK ((points <> 666)), which no migration makes"],
  },
  {
    what: "a foreign key",
    sql: "alter table points.lot add foreign key (user_id) references points.account",
    finds: [
      "has constraint lot FOREIGN KEY (user_id) REFERENCES account(user_id), " +
        "which no migration makes",
    ],
  },
  {
    what: "a trigger that swallows inserts",
    sql: `create function points.swallow() returns trigger language plpgsql
            as 'begin return null; end';
          create trigger swallow before insert on points.entry
            for each row execute function points.swallow()`,
    finds: ["has trigger swallow on entry, which no migration makes"],
  },
  {
    what: "a rule that swallows inserts",
    sql: "create rule swallow as on insert to points.receipt do instead nothing",
    finds: ["has rule swallow on receipt, which no migration makes"],
  },
  {
    what: "a table that a crash empties",
    sql: "alter table points.entry set unlogged",
    finds: ["has unlogged table entry, which no migration makes"],
  },
  {
    what: "row security",
    sql: "alter table points.entry enable row level security",
    finds: ["has row security on entry, which no migration makes"],
  },
  {
    what: "row security for the owner too",
    sql: "alter table points.entry force row level security",
    finds: ["has row security on entry, which no migration makes"],
  },
  {
    what: "a policy",
    sql: "create policy mine on points.hold using (points > 1)",
    finds: ["has policy mine on hold, which no migration makes"],
  },
  {
    what: "a table that inherits one of ours, with rows of its own",
    sql: "create table public.more () inherits (points.entry)",
    finds: ["has public.more that inherits entry, which no migration makes"],
  },
  {
    what: "a table of ours that inherits another",
    sql: `create table public.less (refunded bigint not null);
          alter table points.undone inherit public.less`,
    finds: ["has undone that inherits public.less, which no migration makes"],
  },
  {
    what: "a table dropped",
    sql: "drop table points.undone",
    finds: [
      "lacks column undone.claimed bigint not null default 0",
      "lacks column undone.refunded bigint not null default 0",
      "lacks column undone.revoked bigint not null default 0",
      "lacks column undone.sequence bigint not null",
      'lacks column undone.user_id text collate "C" not null',
      "lacks constraint undone CHECK (((claimed >= 0) AND (claimed <= revoked)))",
      "lacks constraint undone CHECK (((refunded + revoked) > 0))",
      "lacks constraint undone CHECK ((refunded >= 0))",
      "lacks constraint undone CHECK ((revoked >= 0))",
      "lacks constraint undone CHECK ((sequence > 0))",
      "lacks constraint undone PRIMARY KEY (user_id, sequence)",
      "lacks index undone btree (user_id, sequence) WHERE (claimed > 0)",
      "lacks index undone unique btree (user_id, sequence)",
      "lacks table undone",
    ],
  },
  {
    what: "a table, and a view, that is not ours",
    sql: `create table points.mine (a int);
          create view points.seen as select * from points.entry`,
    finds: [
      "has column mine.a integer, which no migration makes",
      "has table mine, which no migration makes",
      "has view seen, which no migration makes",
    ],
  },
  {
    what: "a column more",
    sql: "alter table points.hold add column note text",
    finds: ["has column hold.note text, which no migration makes"],
  },
  {
    what: "a column of another type",
    sql: "alter table points.entry alter column hold_service type varchar",
    finds: [
      "lacks column entry.hold_service text",
      "has column entry.hold_service character varying, which no migration makes",
    ],
  },
  {
    what: "a column of another collation",
    sql: 'alter table points.entry alter column hold_service type text collate "POSIX"',
    finds: [
      "lacks column entry.hold_service text",
      'has column entry.hold_service text collate "POSIX", which no migration makes',
    ],
  },
  {
    what: "a column that may be null",
    sql: "alter table points.entry alter column hash drop not null",
    finds: [
      "lacks column entry.hash bytea not null",
      "has column entry.hash bytea, which no migration makes",
    ],
  },
  {
    what: "a default",
    sql: "alter table points.entry alter column caller set default 'nobody'",
    finds: [
      'lacks column entry.caller text collate "C"',
      `has column entry.caller text collate "C" default 'nobody'::text, which no migration makes`,
    ],
  },
  {
    what: "a column that is generated",
    sql: `alter table points.lot add column
            open boolean generated always as (remaining > 0) stored`,
    finds: ["has column lot.open boolean stored (remaining > 0), which no migration makes"],
  },
  {
    what: "another function than that which unpacks lots",
    sql: `create or replace function points.unpack_lots(packed bytea) returns table (
            number bigint, points bigint, remaining bigint, frozen bigint, priority smallint,
            expire_time timestamptz, category text, services text[]
          ) language sql stable strict parallel safe set search_path = pg_catalog
          as 'select 1, 2, 3, 4, 5::smallint, now(), null::text, null::text[]'`,
    finds: [
      expect.stringMatching(/^lacks function unpack_lots\(packed bytea\) returns TABLE\(.* at$/),
      expect.stringContaining(
        " as select 1, 2, 3, 4, 5::smallint, now(), null::text, null::text[], which no migration makes",
      ),
    ],
  },
  {
    what: "a view that leaves lots out",
    sql: `create or replace view points.open_lot with (security_invoker = true) as
          select *, false as in_row from points.lot`,
    finds: [
      expect.stringMatching(/^lacks definition open_lot security_invoker=true as SELECT .* UNION/),
      "has definition open_lot security_invoker=true as SELECT user_id, number, points, " +
        "remaining, frozen, priority, expire_time, category, services, false AS in_row FROM lot;, " +
        "which no migration makes",
    ],
  },
  {
    what: "a migration that was not recorded",
    sql: "delete from points.migration",
    finds: ["the table migration has not each migration once"],
  },
  {
    what: "a migration that was recorded twice",
    sql: "insert into points.migration (name) select name from points.migration",
    finds: ["the table migration has not each migration once"],
  },
  {
    what: "a migration of a newer version",
    sql: "insert into points.migration (name) values ('9999_more'); drop table points.undone",
    finds: ["this version does not know the migration 9999_more"],
  },
])("verify finds $what", async ({ sql, finds }) => {
  expect(await flawsAfter(sql)).toEqual(finds);
});

test.each([
  [
    "indexes of one's own",
    "create unique index on points.entry (hash); create index on points.lot (points)",
  ],
  [
    "names, and how an index is stored",
    `alter index points.entry_request rename to "USING (x)";
     alter index points."USING (x)" set (fillfactor = 80, deduplicate_items = off);
     alter table points.lot rename constraint lot_remaining_check to other`,
  ],
  [
    "a partitioned table",
    partitioned(`create table points.entry_0 partition of points.entry
       for values with (modulus 2, remainder 0);
     create table points.entry_1 partition of points.entry
       for values with (modulus 2, remainder 1)`),
  ],
])("verify takes no offence at %s", async (_, sql) => {
  expect(await flawsAfter(sql)).toEqual([]);
});

test("verify finds the flaws of a partition", async () => {
  const partition = `create table points.part partition of points.entry
    for values with (modulus 1, remainder 0)`;
  const flaws = await flawsAfter(`
    ${partitioned(partition)};
    create rule swallow as on insert to points.part do instead nothing;
    alter table points.part set unlogged`);
  expect(flaws).toEqual([
    "has rule swallow on entry, which no migration makes",
    "has unlogged table entry, which no migration makes",
  ]);
});

test("verify reports the schema's flaws even if the accounts cannot be read", async () => {
  const own = await testDatabase();
  onTestFinished(() => own.close());
  await own.query("drop table points.undone");
  const { accounts, schema } = await verify(own.orm);
  expect(accounts).toBe(0);
  expect(schema).toContain("lacks table undone");
  expect(schema.at(-1)).toBe("not all accounts can be read");
});

/** SQL that makes a partitioned table of the entries, under the view of them. */
function partitioned(partitions: string): string {
  return `alter table points.entry rename to gone;
    create table points.entry (like points.gone including all) partition by hash (user_id);
    ${partitions};
    do $$ begin
      execute replace('create or replace view points.journal with (security_invoker = true) as '
        || pg_get_viewdef('points.journal'), 'gone', 'entry');
    end $$;
    drop table points.gone`;
}

/** The flaws after these statements, which are then undone. */
async function flawsAfter(statements: string): Promise<readonly string[]> {
  const run: Run = async (statement) => {
    const { sql, parameters } = statement.compile(database.orm.em.getKysely());
    return { rows: (await database.query(sql, [...parameters])) as never[] };
  };
  try {
    await database.query(`begin; ${statements}; set local search_path = points, pg_temp`);
    return await flawsOfSchema(run);
  } finally {
    await database.query("rollback");
  }
}
