import type { MessageInitShape } from "@bufbuild/protobuf";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { GroupBy, type SummarizeRequestSchema } from "../../gen/points/v1/ledger_pb.ts";
import { toTimestamp } from "../../src/rpc/timestamps.ts";
import { inSnapshot } from "../../src/store/driver/transaction.ts";
import { readSums, type SumOptions, type Whose } from "../../src/store/reads/sums.ts";
import type { Api } from "../support/api.ts";
import type { TestDatabase } from "../support/database.ts";
import { readWhileEmptied } from "../support/emptied.ts";
import { refusalOf } from "../support/error-info.ts";
import { projectAll, projectAnew } from "../support/projected.ts";
import { points } from "../support/requests.ts";
import { serveTwoCallers } from "../support/two-callers.ts";

let close: () => Promise<void>;
let database: TestDatabase;
let client: Api;
/** A client of who may see the users "ada…" alone. */
let ofAda: Api;
beforeAll(async () => {
  ({ client, close, database, ofAda } = await serveTwoCallers());
  for (const [userId, paid] of [
    ["ada", 10n],
    ["adam", 200n],
    ["ad", 3_000n],
  ] as const) {
    await client.recharge({ userId, points: paid, category: "paid" });
    await client.recharge({ userId, points: 1n, category: "gift" });
    await client.consume({ userId, cost: points(2n), member: "kim" });
    await client.consume({ userId, cost: points(1n), member: "lee" });
  }
  // Entry 1 at midnight of 2 March in UTC, and so each six hours on.
  await database.query(`
    update points.entry
    set create_time = timestamptz '2026-03-01T18:00:00Z' + sequence * interval '6 hours'`);
});
afterAll(() => close());
beforeEach(() => projectAnew(database));

type Request = MessageInitShape<typeof SummarizeRequestSchema>;

const { DAY, KIND, SERVICE, CALLER, CATEGORY, MEMBER } = GroupBy;
const user = (value: string) => ({ case: "userId", value }) as const;
const prefix = (value: string) => ({ case: "userIdPrefix", value }) as const;
const at = (time: string) => toTimestamp(BigInt(Date.parse(`${time}Z`)) * 1_000n);

const KIND_NAMES = new Map<number, string>(
  Object.entries(EntryKind).map(([name, kind]) => [kind, kind === 0 ? "" : name]),
);

/** The sums in short: what each is of, how many entries, how many points. */
async function sums(request: Request, asked = client): Promise<string[]> {
  const answer = await asked.summarize(request);
  return answer.sums.map(
    ({ day, kind, service, caller, category, member, entries, points: sum }) => {
      const of = [day, KIND_NAMES.get(kind)!, service, caller, category, member];
      return [...of.filter((one) => one !== ""), entries, sum].join(" ");
    },
  );
}

test("adds up all entries, by what they have in common", async () => {
  expect(await sums({})).toEqual(["12 3222"]);
  expect(await sums({ groupBy: [KIND] })).toEqual(["RECHARGE 6 3213", "CONSUME 6 9"]);
  expect(await sums({ groupBy: [CATEGORY, KIND] })).toEqual([
    "RECHARGE gift 3 3",
    "RECHARGE paid 3 3210",
    "CONSUME 6 9",
  ]);
  expect(await sums({ groupBy: [DAY] })).toEqual(["2026-03-02 12 3222"]);
  expect(await sums({ groupBy: [CALLER, SERVICE] })).toEqual(["shop 12 3222"]);
  const [sum] = (await client.summarize({ groupBy: [KIND] })).sums;
  expect(sum).toMatchObject({
    kind: EntryKind.RECHARGE,
    day: "",
    caller: "",
    owed: 0n,
    entries: 6n,
  });
});

test("of one user, and of no user whose id only begins alike", async () => {
  expect(await sums({ of: user("ada") })).toEqual(["4 14"]);
  expect(await sums({ of: user("a") })).toEqual([]);
  expect(await sums({ of: user("ada"), groupBy: [MEMBER] })).toEqual([
    "2 11",
    "kim 1 2",
    "lee 1 1",
  ]);
});

test("of the users with a prefix, and of no others", async () => {
  expect(await sums({ of: prefix("ada") })).toEqual(["8 218"]);
  expect(await sums({ of: prefix("adam") })).toEqual(["4 204"]);
  expect(await sums({ of: prefix("ad") })).toEqual(["12 3222"]);
  expect(await sums({ of: prefix("") })).toEqual(["12 3222"]);
  expect(await sums({ of: prefix("b") })).toEqual([]);
});

test("by members, which are those of each user's entries, not counted twice", async () => {
  expect(await sums({ groupBy: [MEMBER] })).toEqual(["6 3213", "kim 3 6", "lee 3 3"]);
  expect(await sums({ groupBy: [MEMBER, KIND], of: prefix("ada") })).toEqual([
    "RECHARGE 4 212",
    "CONSUME kim 2 4",
    "CONSUME lee 2 2",
  ]);
});

test("for a caller with a prefix of its users alone", async () => {
  expect(await sums({}, ofAda)).toEqual(["8 218"]);
  expect(await sums({ of: user("adam") }, ofAda)).toEqual(["4 204"]);
  for (const of of [user("ad"), user("bob"), prefix("ad"), prefix("b")]) {
    expect(await refusalOf(ofAda.summarize({ of }))).toMatchObject({ reason: "PERMISSION_DENIED" });
  }
});

describe("a time range", () => {
  test("has the entries from its start on, and before its end", async () => {
    const startTime = at("2026-03-02T06:00");
    const endTime = at("2026-03-02T12:00");
    expect(await sums({ startTime, endTime })).toEqual(["3 3"]);
    expect(await sums({ startTime, endTime, of: prefix("ada") })).toEqual(["2 2"]);
    expect(await sums({ startTime, endTime, of: user("ada") })).toEqual(["1 1"]);
    expect(await sums({ startTime: endTime, endTime: startTime })).toEqual([]);
    expect(await sums({ startTime, endTime: startTime })).toEqual([]);
  });

  test("and its neighbours have each entry once", async () => {
    const times = ["02T00:00", "02T06:00", "02T12:00", "02T18:00", "03T00:00"].map((time) =>
      at(`2026-03-${time}`),
    );
    const parts = [undefined, ...times].map((startTime, index) => ({
      ...(startTime && { startTime }),
      ...(times[index] && { endTime: times[index] }),
    }));
    const found = await Promise.all(parts.map((part) => sums({ ...part, of: user("ad") })));
    expect(found).toEqual([[], ["1 3000"], ["1 1"], ["1 2"], ["1 1"], []]);
  });

  test("is of whole quarters of an hour", async () => {
    expect(await sums({ startTime: at("2026-03-02T05:45") })).toEqual(["9 12"]);
    for (const field of ["startTime", "endTime"] as const) {
      for (const time of ["2026-03-02T05:40", "2026-03-02T05:45:00.001"]) {
        const refused = await refusalOf(client.summarize({ [field]: at(time) }));
        expect(refused).toMatchObject({
          reason: "FIELD_INVALID",
          fields: [field === "startTime" ? "start_time" : "end_time"],
          message: expect.stringContaining("2026-11-01T00:15:00Z"),
        });
      }
    }
  });
});

test("days begin and end as in the time zone", async () => {
  const of = user("ad");
  const days = (timeZone: string) => sums({ of, groupBy: [DAY], timeZone });
  expect(await days("")).toEqual(["2026-03-02 4 3004"]);
  expect(await days("Asia/Shanghai")).toEqual(["2026-03-02 3 3003", "2026-03-03 1 1"]);
  expect(await days("America/New_York")).toEqual(["2026-03-01 1 3000", "2026-03-02 3 4"]);
  expect(await days("Asia/Kathmandu")).toEqual(["2026-03-02 4 3004"]);
  for (const timeZone of ["Mars/Olympus", "utc", "+02:00", "EST5EDT4"]) {
    const refused = await refusalOf(client.summarize({ groupBy: [DAY], timeZone }));
    expect(refused).toMatchObject({ reason: "FIELD_INVALID", fields: ["time_zone"] });
  }
});

test("days are those of the names' own rules, whatever PostgreSQL makes of the names", async () => {
  await database.query("delete from points.entry_sum where bucket >= 0");
  const add = (time: string) =>
    database.query(
      `insert into points.entry_sum
      select '', extract(epoch from $1::timestamptz)::integer / 900, 2, '', '', '', '', 1, 1, 0, 0, 0`,
      [time],
    );
  // The last quarter of a day, and the first of the next one, in summer and in winter.
  for (const time of ["2026-06-30T21:45Z", "2026-06-30T22:00Z", "2026-12-31T22:45Z"])
    await add(time);
  const days = (timeZone: string) => sums({ groupBy: [DAY], timeZone });
  for (const timeZone of ["CET", "Europe/Berlin"]) {
    expect(await days(timeZone)).toEqual(["2026-06-30 1 1", "2026-07-01 1 1", "2026-12-31 1 1"]);
  }
  await add("2026-06-30T18:00Z");
  await add("2026-06-30T18:15Z");
  expect(await days("Asia/Kathmandu")).toEqual([
    "2026-06-30 1 1",
    "2026-07-01 3 3",
    "2027-01-01 1 1",
  ]);
  expect(await sums({ groupBy: [DAY], endTime: at("2026-01-01T00:00") })).toEqual([]);
  await add("1971-01-01T00:00Z");
  expect(await refusalOf(client.summarize({ groupBy: [DAY] }))).toMatchObject({
    reason: "FIELD_INVALID",
    metadata: { too_much: "time" },
  });
});

test("more than 10,000 sums are refused, 10,000 are not", async () => {
  await database.query(`
    insert into points.entry_sum
    select '', 1, 2, 'service-' || n, '', '', '', 1, 1, 0, 0, 0 from generate_series(1, 10000) as n`);
  const endTime = at("2000-01-01T00:00");
  expect(await sums({ groupBy: [SERVICE], endTime })).toHaveLength(10_000);
  const refused = await refusalOf(client.summarize({ groupBy: [SERVICE] }));
  expect(refused).toMatchObject({
    reason: "FIELD_INVALID",
    fields: ["group_by"],
    metadata: { too_much: "sums" },
  });
  expect(await sums({ groupBy: [KIND], endTime })).toEqual(["CONSUME 10000 10000"]);
});

describe("what is too much to add up", () => {
  const query = { from: undefined, to: undefined, by: [], timeZone: "UTC" };
  const tooMuch = async (of: Whose, options: SumOptions) => {
    const read = await inSnapshot(database.orm, (run) => readSums(run, { ...query, of }, options));
    return read.tooMuch;
  };

  test("is more rows than are added at once", async () => {
    const [rows] = await database.query(
      "select count(*)::int as n from points.entry_sum where user_id like 'ada%'",
    );
    const maxRows = Number(rows!["n"]);
    expect(await tooMuch({ userIdPrefix: "ada" }, { maxRows })).toBeUndefined();
    expect(await tooMuch({ userIdPrefix: "ada" }, { maxRows: maxRows - 1 })).toBe("time");
  });

  test("is more users than are looked for, whatever they have", async () => {
    await database.query("delete from points.entry_sum");
    expect(await tooMuch({ userIdPrefix: "ada" }, { maxUsers: 2 })).toBeUndefined();
    expect(await tooMuch({ userIdPrefix: "ada" }, { maxUsers: 1 })).toBe("users");
    expect(await tooMuch({ userIdPrefix: "" }, { maxUsers: 1 })).toBeUndefined();
  });

  test("is what takes PostgreSQL too long", async () => {
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    onTestFinished(() => other.end());
    await other.query("begin; lock table points.account in access exclusive mode");
    expect(await tooMuch({ userIdPrefix: "ada" }, { maxMs: 50 })).toBe("time");
  });
});

test("a sum may exceed what a double tells exactly, and is refused beyond 64 bits", async () => {
  const add = (sum: string) =>
    database.query(
      `insert into points.entry_sum values ('', $1, 2, '', '', '', '', 1, $2, 0, 0, 0)`,
      [sum.length, sum],
    );
  await add("9223372036854775800");
  const endTime = at("2000-01-01T00:00");
  expect(await sums({ endTime })).toEqual(["1 9223372036854775800"]);
  await add("8");
  expect(await refusalOf(client.summarize({ endTime }))).toMatchObject({
    code: "OutOfRange",
    reason: "TOTAL_TOO_LARGE",
    metadata: { total: "points", limit: "9223372036854775807" },
  });
});

test("says how far the sums are, and that nobody builds them", async () => {
  expect((await client.summarize({})).caughtUpTo).toBeDefined();
  await database.query("update points.projection set caught_up_to = null");
  expect((await client.summarize({})).caughtUpTo).toBeUndefined();
  await database.query("update points.projection set search_keys = null");
  for (const of of [undefined, user("ada"), prefix("nobody")]) {
    expect(await refusalOf(client.summarize({ of: of ?? { case: undefined } }))).toMatchObject({
      code: "FailedPrecondition",
      reason: "NOT_PROJECTED",
      metadata: { missing: "projection" },
    });
  }
});

test("says that sums are being built which are not those that were built", async () => {
  const caughtUpTo = async () => (await client.summarize({})).caughtUpTo;
  // A time after which the clock was set back.
  await database.query("update points.projection set caught_up_to = now() + interval '1 hour'");
  expect(await caughtUpTo()).toBeUndefined();
  await projectAll(database);
  expect(await caughtUpTo()).toBeDefined();
  // As in a dump that began before the tables were emptied.
  await database.query("delete from points.entry_sum; delete from points.search_term");
  expect(await caughtUpTo()).toBeUndefined();
  await projectAll(database);
  expect(await caughtUpTo()).toBeDefined();
  expect(await sums({})).toEqual(["12 3222"]);
});

test("never takes a table that was just emptied for one that is built", async () => {
  const read = await readWhileEmptied(database, () => client.summarize({}));
  expect(read.caughtUpTo).toBeUndefined();
});
