import type { MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import type { SearchEntriesRequestSchema } from "../../gen/points/v1/ledger_pb.ts";
import { erase } from "../../src/commit/erase.ts";
import { toTimestamp } from "../../src/rpc/timestamps.ts";
import type { Api } from "../support/api.ts";
import type { TestDatabase } from "../support/database.ts";
import { readWhileEmptied } from "../support/emptied.ts";
import { refusalOf } from "../support/error-info.ts";
import { projectAnew } from "../support/projected.ts";
import { microsOf } from "../support/requests.ts";
import { serveTwoCallers } from "../support/two-callers.ts";

let close: () => Promise<void>;
let database: TestDatabase;
let client: Api;
/** A client of who may see the users "ada…" alone. */
let ofAda: Api;
beforeAll(async () => {
  ({ client, close, database, ofAda } = await serveTwoCallers());
});
afterAll(() => close());

type Request = MessageInitShape<typeof SearchEntriesRequestSchema>;

const actor = (value: string) => ({ case: "actor", value }) as const;
const order = (value: string) => ({ case: "metadata", value: { key: "order", value } }) as const;
const requestId = (value: string) => ({ case: "requestId", value }) as const;

/** How entries of one time may come: in the order of time, user id and sequence, falling. */
const FALLING = (a: Entry, b: Entry) => {
  const [first, second] = [a, b].map(({ createTime }) => microsOf(createTime!));
  if (first !== second) return second! > first! ? 1 : -1;
  if (a.userId !== b.userId) return a.userId < b.userId ? 1 : -1;
  return Number(b.sequence - a.sequence);
};

/** All entries that are found, page by page. */
async function search(request: Request, asked = client): Promise<Entry[]> {
  const all: Entry[] = [];
  let pageToken = "";
  do {
    const answer = await asked.searchEntries({ ...request, pageToken });
    all.push(...answer.entries);
    pageToken = answer.nextPageToken;
  } while (pageToken !== "");
  return all;
}

const namesOf = (entries: readonly Entry[]) =>
  entries.map(({ userId, sequence }) => `${userId} ${sequence}`);

beforeAll(async () => {
  const users = ["ada", "adam", "ad", "bob"];
  for (const [at, userId] of users.entries()) {
    for (const [index, id] of ["first", "second", "third"].entries()) {
      const metadata = { order: `o-${index}`, other: "x" };
      await client.recharge({
        userId,
        requestId: id,
        points: 9n,
        metadata,
        actor: `team-${at % 2}`,
      });
    }
  }
  // Three days, and two entries of different users at one instant.
  await database.query(`
    update points.entry set create_time = timestamptz '2026-03-01T00:00:00Z'
      + sequence * interval '1 day' - interval '1 us' * (user_id = 'bob')::integer`);
});

beforeEach(() => projectAnew(database, ["order"]));

test("finds what has a request id, an actor or a pair of metadata, newest first", async () => {
  const found = await search({ by: requestId("second") });
  expect(namesOf(found)).toEqual(["adam 2", "ada 2", "ad 2", "bob 2"]);
  const { entry } = await client.getEntry({ userId: "adam", by: { case: "sequence", value: 2n } });
  expect(found[0]).toEqual(entry);
  expect(namesOf(await search({ by: actor("team-1") }))).toEqual([
    "adam 3",
    "bob 3",
    "adam 2",
    "bob 2",
    "adam 1",
    "bob 1",
  ]);
  expect(namesOf(await search({ by: order("o-0") }))).toEqual(["adam 1", "ada 1", "ad 1", "bob 1"]);
  expect(await search({ by: order("o-9") })).toEqual([]);
  expect(await search({ by: requestId("fourth") })).toEqual([]);
});

test("finds nothing of a user whose id only begins alike, nor of a value that does", async () => {
  expect(namesOf(await search({ by: requestId("first"), userIdPrefix: "ada" }))).toEqual([
    "adam 1",
    "ada 1",
  ]);
  expect(namesOf(await search({ by: requestId("first"), userIdPrefix: "adam" }))).toEqual([
    "adam 1",
  ]);
  for (const value of ["firs", "first2"])
    expect(await search({ by: requestId(value) })).toEqual([]);
});

test("finds for a caller with a prefix what its users have, and names no other", async () => {
  expect(namesOf(await search({ by: requestId("third") }, ofAda))).toEqual(["adam 3", "ada 3"]);
  const denied = await refusalOf(
    ofAda.searchEntries({ by: requestId("third"), userIdPrefix: "a" }),
  );
  expect(denied).toMatchObject({ reason: "PERMISSION_DENIED" });
});

test.each([1, 2, 5, 100])(
  "has neither skipped nor repeated any in pages of %i",
  async (pageSize) => {
    const found = await search({ by: actor("team-0"), pageSize });
    expect(namesOf(found)).toEqual(["ada 3", "ad 3", "ada 2", "ad 2", "ada 1", "ad 1"]);
    const ofOne = await search({ by: actor("team-0"), pageSize, userIdPrefix: "ad" });
    expect(ofOne).toEqual(found);
  },
);

test("goes on where it was while newer entries come", async () => {
  const pageSize = 4;
  const first = await client.searchEntries({ by: actor("team-0"), pageSize });
  await client.recharge({ userId: "zoe", points: 1n, actor: "team-0" });
  await projectAnew(database, ["order"]);
  const pageToken = first.nextPageToken;
  const second = await client.searchEntries({ by: actor("team-0"), pageSize, pageToken });
  expect(namesOf([...first.entries, ...second.entries])).toEqual([
    "ada 3",
    "ad 3",
    "ada 2",
    "ad 2",
    "ada 1",
    "ad 1",
  ]);
  expect(namesOf(await search({ by: actor("team-0") }))).toContain("zoe 1");
  const other = client.searchEntries({ by: actor("team-1"), pageSize, pageToken });
  expect(await refusalOf(other)).toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
});

test("of neighbouring times exactly one has an entry: the one that begins with its time", async () => {
  const times = ["2026-02-01", "2026-03-02", "2026-03-03", "2026-03-04", "2027-01-01"].map((day) =>
    toTimestamp(BigInt(Date.parse(day)) * 1_000n),
  );
  const parts: string[][] = [];
  for (const [at, endTime] of times.slice(1).entries()) {
    parts.push(namesOf(await search({ by: actor("team-1"), startTime: times[at]!, endTime })));
  }
  expect(parts).toEqual([["bob 1"], ["bob 2", "adam 1"], ["bob 3", "adam 2"], ["adam 3"]]);
  const [, second] = times;
  expect(await search({ by: actor("team-1"), startTime: second!, endTime: second! })).toEqual([]);
});

test("passes over a hash that another term has, and over what was erased", async () => {
  // The terms of other entries, as if their hash were the same, and of an entry that is no more.
  await database.query(`
    insert into points.search_term
    select day, points.term_of('request_id', '', 'first'), create_time, user_id, sequence
    from points.search_term where term = points.term_of('request_id', '', 'second')
    union all
    select 20515, points.term_of('request_id', '', 'first'), timestamptz '2026-03-03', 'gone', 7`);
  expect(namesOf(await search({ by: requestId("first"), pageSize: 1 }))).toEqual([
    "adam 1",
    "ada 1",
    "ad 1",
    "bob 1",
  ]);
  await database.query(
    "update points.entry set actor = 'x' where user_id = 'adam' and sequence = 2",
  );
  expect(namesOf(await search({ by: actor("team-1") }))).not.toContain("adam 2");
});

test("finds nothing of a user who was erased", async () => {
  const by = actor("agent-7");
  await client.recharge({ userId: "eve", points: 1n, actor: "agent-7", requestId: "e-1" });
  await projectAnew(database);
  expect(namesOf(await search({ by }))).toEqual(["eve 1"]);
  await erase(database.orm, "eve");
  for (const one of [by, requestId("e-1")]) {
    const { entries, nextPageToken } = await client.searchEntries({ by: one });
    expect({ entries, nextPageToken }).toEqual({ entries: [], nextPageToken: "" });
  }
});

test("a page is bounded, however many others there are, and its token names none of them", async () => {
  await database.query(`
    insert into points.search_term
    select 20600, points.term_of('actor', '', 'team-0'), timestamptz '2026-05-27', 'zz-secret-' || n, 1
    from generate_series(1, 6000) as n
    union all
    select 20600, points.term_of('actor', '', 'team-0'), timestamptz '2026-05-27', 'a-secret-' || n, 1
    from generate_series(1, 6000) as n`);
  const by = actor("team-0");
  const answer = await ofAda.searchEntries({ by });
  expect(answer.entries).toEqual([]);
  let { nextPageToken: pageToken } = answer;
  const found: Entry[] = [];
  let pages = 1;
  while (pageToken !== "") {
    expect(Buffer.from(pageToken, "base64url").toString("latin1")).not.toContain("secret");
    const next = await ofAda.searchEntries({ by, pageToken });
    found.push(...next.entries);
    pageToken = next.nextPageToken;
    pages += 1;
  }
  expect(namesOf(found)).toEqual(["ada 3", "ada 2", "ada 1"]);
  expect(pages).toBeLessThan(6);
});

test("goes through years without any entry, a page for some of them", async () => {
  await database.query(`
    insert into points.search_term
    select day, term, timestamptz '1990-01-01', user_id, sequence
    from (select 7305 as day, points.term_of('actor', '', 'team-0') as term, 'ada' as user_id,
      1 as sequence) as old`);
  const by = actor("team-0");
  const first = await client.searchEntries({ by });
  expect(first.entries).toHaveLength(7);
  expect(first.nextPageToken).not.toBe("");
  // The old one is not found: its entry has another time.
  expect(await search({ by })).toEqual([...first.entries]);
  expect([...first.entries]).toEqual(first.entries.toSorted(FALLING));
});

test("says that it is not built, or not of that key", async () => {
  const { caughtUpTo } = await client.searchEntries({ by: actor("x") });
  expect(caughtUpTo).toBeDefined();
  const by = { case: "metadata", value: { key: "other", value: "x" } } as const;
  expect(await refusalOf(client.searchEntries({ by }))).toMatchObject({
    code: "FailedPrecondition",
    reason: "NOT_PROJECTED",
    metadata: { key: "other" },
  });
  await database.query("update points.projection set caught_up_to = null");
  expect((await client.searchEntries({ by: actor("x") })).caughtUpTo).toBeUndefined();
  await database.query("update points.projection set search_keys = null");
  for (const one of [by, actor("x")]) {
    expect(await refusalOf(client.searchEntries({ by: one }))).toMatchObject({
      code: "FailedPrecondition",
      reason: "NOT_PROJECTED",
      metadata: { missing: "projection" },
    });
  }
});

test("never takes a table that was just emptied for one that is built", async () => {
  const read = await readWhileEmptied(database, () =>
    client.searchEntries({ by: requestId("first") }),
  );
  expect(read.caughtUpTo).toBeUndefined();
});
