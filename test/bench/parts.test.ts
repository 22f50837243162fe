import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, onTestFinished, test } from "vitest";
import { createBaseline } from "../../bench/baselines/tables.ts";
import { check, mark } from "../../bench/check.ts";
import { type Job, runLoad } from "../../bench/load/job.ts";
import { createRequests } from "../../bench/load/requests.ts";
import { logMarks } from "../../bench/report/plot.ts";
import { median } from "../../bench/results.ts";
import { seed } from "../../bench/seed.ts";
import { ConsumeRequestSchema } from "../../gen/points/v1/points_pb.ts";
import { GENESIS_HASH } from "../../src/ledger/account.ts";
import { hashEntry } from "../../src/ledger/entry-hash.ts";
import { toEntry } from "../../src/store/batch/entries.ts";
import type { EntryRow } from "../../src/store/driver/entities.ts";
import { auditDatabase } from "../support/audit.ts";
import { testDatabase } from "../support/database.ts";
import { makeLotsEditable } from "../support/editable-lots.ts";

// The foundations of the bench's figures: ledgers made in bulk, a baseline that does all the work,
// and checks that find errors.

describe("the bench", () => {
  test("entries made in bulk, also on top of others, equal the ledger's own", async () => {
    const database = await openDatabase();
    await seed(database, { prefix: "user-", accounts: 50, lots: 2, consumes: 20 });
    await seed(database, { prefix: "user-", accounts: 50, lots: 0, consumes: 130 });
    await seed(database, { prefix: "lots-", accounts: 1, lots: 100, consumes: 3 });
    const audited = await auditDatabase(database.url);
    expect(audited).toEqual({ accounts: 51, entries: 2 * 50 + 20 + 130 + 103 });
  });

  test("the SQL function writes what the ledger accepts, without pgbench too", async () => {
    const database = await openDatabase();
    await seed(database, { prefix: "user-", accounts: 10, lots: 2, consumes: 0 });
    await createBaseline(database);
    const before = await mark(database, "baseline");
    const job: Job = {
      kind: "function",
      url: database.url,
      inFlight: 4,
      connections: 1,
      spread: { prefix: "user-", accounts: 10, by: "zipf" },
      warmSeconds: 0.05,
      seconds: 0.1,
      nonce: "000001",
    };
    const { entries, refused } = await runLoad(job, () => {});
    expect(refused).toEqual({});
    expect(await check(database, { before, answered: entries, schema: "baseline" })).toEqual([]);
    await copyBaseline(database);
    await rehash(database);
    expect(await auditDatabase(database.url)).toEqual({ accounts: 10, entries: 20 + entries });
  });

  test("the checks after a row find lost entries and unsound accounts", async () => {
    const database = await openDatabase();
    await seed(database, { prefix: "user-", accounts: 3, lots: 2, consumes: 0 });
    const before = await mark(database);
    expect(await check(database, { before, answered: 5 })).toEqual(["5 answers, but 0 entries"]);

    await makeLotsEditable(database);
    await database.query(`
      update points.account set update_time = clock_timestamp();
      update edit.lot set remaining = remaining - 1 where user_id = 'user-0000001' and number = 1;
      delete from points.entry where user_id = 'user-0000002' and sequence = 2;
      update points.entry set hash = sha256('') where user_id = 'user-0000003' and sequence = 2`);
    expect(await check(database, { before, answered: 0 })).toEqual([
      "balance = sum of lots' remaining, frozen = sum of lots' frozen is broken for user-0000001",
      "sequence = number of entries is broken for user-0000002",
      "an account is as its last entry left it is broken for user-0000002, user-0000003",
    ]);
  });

  test("a team's charges are its members', and none is another request", () => {
    const spread = { prefix: "team-", accounts: 1, by: "evenly", members: 3 } as const;
    const { consume } = createRequests({ nonce: "000001", spread });
    const sent = Array.from({ length: 100 }, () =>
      fromBinary(ConsumeRequestSchema, consume(1).message.subarray(5)),
    );
    const names = new Set(sent.map(({ member }) => member));
    expect([...names].toSorted()).toEqual(["member-0000", "member-0001", "member-0002"]);
    expect(new Set(sent.map(({ requestId }) => requestId)).size).toBe(100);
    expect(new Set(sent.map(({ userId }) => userId))).toEqual(new Set(["team-0000001"]));
  });

  test("the median is the middle value, in any order", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([10, 1, 4, 2])).toBe(3);
  });
});

type Database = Awaited<ReturnType<typeof openDatabase>>;

/** Copies what the SQL function wrote to Points' tables, which have the same accounts. */
async function copyBaseline(database: Database): Promise<void> {
  await makeLotsEditable(database);
  const columns = `user_id, sequence, points, create_time, request_id, balance, total_recharged,
    total_consumed, hash`;
  await database.query(`
    insert into points.entry (kind, allocations, fingerprint, epoch, feed, ${columns})
      select 2, edit.pack(lots, lot_points), substr(fingerprint, 1, 16), 1,
        pg_current_xact_id()::text::bigint, ${columns} from baseline.entry
      on conflict (user_id, sequence) do nothing;
    update points.account set sequence = one.sequence, balance = one.balance,
      total_consumed = one.total_consumed, hash = one.hash, update_time = one.update_time,
      feed = pg_current_xact_id()::text::bigint
      from baseline.account as one where one.user_id = account.user_id;
    update edit.lot set remaining = one.remaining from baseline.lot as one
      where one.user_id = lot.user_id and one.number = lot.number`);
}

/** Gives all entries and accounts the hashes of Points: the SQL function has a chain of its own. */
async function rehash({ query }: Database): Promise<void> {
  await query("set timezone = 'UTC'");
  const rows = await query<EntryRow & { salt: Uint8Array }>(
    `select entry.*, create_time::text, expire_time::text,
      (select salt from points.account where account.user_id = entry.user_id) as salt
    from points.entry order by user_id, sequence`,
  );
  let previous: Uint8Array = GENESIS_HASH;
  for (const { salt, ...row } of rows) {
    const entry = toEntry(row);
    const { userId, sequence } = entry;
    previous = hashEntry(sequence === 1n ? GENESIS_HASH : previous, entry, salt);
    await query("update points.entry set hash = $3 where user_id = $1 and sequence = $2", [
      userId,
      sequence,
      previous,
    ]);
    await query("update points.account set hash = $2 where user_id = $1", [userId, previous]);
  }
}

async function openDatabase() {
  const { url, query, close } = await testDatabase();
  onTestFinished(close);
  return {
    url,
    query: <Row>(sql: string, values?: unknown[]) => query(sql, values) as Promise<Row[]>,
  };
}

test.each([
  { values: [], marks: [1, 10] },
  { values: [0], marks: [1, 10] },
  { values: [0, 20, 300], marks: [10, 100, 1_000] },
])("a logarithmic axis for $values has the marks $marks", ({ values, marks }) => {
  expect(logMarks(values)).toEqual(marks);
});
