import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import pg from "pg";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type Entry, EntryKind, EntrySchema } from "../../gen/points/v1/account_pb.ts";
import type {
  StreamEntriesRequestSchema,
  StreamEntriesResponse,
} from "../../gen/points/v1/ledger_pb.ts";
import { checkStream, type Heads, newHeads } from "../../src/client/client.ts";
import { summarizeFeed } from "../../src/store/reads/feed.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { refusalOf } from "../support/error-info.ts";
import { until } from "../support/processes.ts";
import { points } from "../support/requests.ts";
import { samplesOf, valueOf } from "../support/scrape.ts";
import { testServer, type TestServer } from "../support/server.ts";

let database: TestDatabase;
let server: TestServer;
beforeAll(async () => {
  database = await testDatabase();
  server = await testServer({}, database);
  for (const userId of ["ann", "ben"]) {
    await server.client.recharge({ userId, points: 100n });
    for (let n = 1n; n <= 5n; n += 1n) await server.client.consume({ userId, cost: points(n) });
  }
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

test("from 0 on there is every entry, each user's in order, and then how far it has come", async () => {
  const stream = open({ cursor: "0" });
  const messages = await stream.takeUntil(({ caughtUpTo }) => caughtUpTo !== undefined);
  const entries = messages.flatMap((message) => message.entries);
  for (const userId of ["ann", "ben"]) {
    const { entries: listed } = await server.client.listEntries({ userId });
    const streamed = entries.filter((entry) => entry.userId === userId);
    expect(streamed.map(bytesOf)).toEqual(listed.toReversed().map(bytesOf));
  }
  expect(entries).toHaveLength(12);
  expect(messages.flatMap(({ feeds }) => feeds)).toHaveLength(12);
  expect(messages.every(({ epoch }) => epoch === 1n)).toBe(true);
});

test("from a cursor on there is what comes behind it, one entry a message", async () => {
  const all = await entriesFrom({ cursor: "0" }, 12);
  const seen: Entry[] = [];
  let cursor = "0";
  while (seen.length < 12) {
    const stream = open({ cursor, maxEntries: 1 });
    const messages = await stream.takeUntil(({ entries }) => entries.length > 0);
    await stream.end();
    expect(messages.at(-1)!.entries).toHaveLength(1);
    seen.push(...messages.at(-1)!.entries);
    cursor = messages.at(-1)!.cursor;
  }
  expect(seen.map(nameOf)).toEqual(all.map(nameOf));
});

test("only those of some kinds, or of some users", async () => {
  const kinds = await entriesFrom({ cursor: "0", kinds: [EntryKind.RECHARGE] }, 2);
  expect(kinds.map(nameOf)).toEqual(["ann 1", "ben 1"]);
  const users = await entriesFrom({ cursor: "0", userIdPrefix: "be" }, 6);
  expect(new Set(users.map(({ userId }) => userId))).toEqual(new Set(["ben"]));
});

test("a filter that nothing passes moves the cursor all the same", async () => {
  let left = 20;
  const messages = await open({ cursor: "0", userIdPrefix: "nobody" }).takeUntil(
    ({ caughtUpTo }) => caughtUpTo !== undefined || (left -= 1) === 0,
  );
  expect(messages.flatMap(({ entries }) => entries)).toEqual([]);
  expect(messages.at(-1)!.caughtUpTo).toBeDefined();
  const since = await entriesFrom({ cursor: messages.at(-1)!.cursor }, Infinity);
  expect(since).toEqual([]);
});

test("from now on there is what is committed since, to each of several readers", async () => {
  const readers = [open({}), open({}), open({ userIdPrefix: "c" })];
  for (const reader of readers) await reader.takeUntil(() => true);
  await server.client.recharge({ userId: "cay", points: 1n });
  for (const reader of readers) {
    const messages = await reader.takeUntil(({ entries }) => entries.length > 0);
    expect(messages.flatMap(({ entries }) => entries).map(nameOf)).toEqual(["cay 1"]);
  }
});

const HELD = /^points_feed_held_back_seconds [1-9]/m;
const FREE = /^points_feed_held_back_seconds 0$/m;

test("an open transaction holds it back; a metric says so", async () => {
  const holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  onTestFinished(() => holder.end());
  await holder.query("begin; select pg_current_xact_id()");
  const stream = open({ userIdPrefix: "dee" });
  await stream.takeUntil(() => true);
  await server.client.recharge({ userId: "dee", points: 1n });
  await until("it is held back", async () => HELD.test(await server.metrics()));
  await holder.query("commit");
  const messages = await stream.takeUntil(({ entries }) => entries.length > 0);
  expect(messages.flatMap(({ entries }) => entries).map(nameOf)).toEqual(["dee 1"]);
  await stream.end();
  await until("nothing holds it back", async () => FREE.test(await server.metrics()));
});

test("readers that leave are no fault of the server", async () => {
  const calls = async () =>
    samplesOf(await server.metrics())
      .filter(({ name }) => name === "points_rpc_duration_seconds_count")
      .filter(({ labels }) => labels["method"] === "StreamEntries")
      .reduce((sum, { value }) => sum + value, 0);
  const before = await calls();
  for (let n = 0; n < 20; n++) {
    const stream = open({ cursor: "0", maxEntries: 1 });
    await stream.takeUntil(() => true);
    await stream.end();
  }
  await until("all have left", async () => (await calls()) >= before + 20);
  const samples = samplesOf(await server.metrics());
  expect(valueOf(samples, "points_refusals_total", { reason: "INTERNAL" }) ?? 0).toBe(0);
});

test("a cursor that no stream of this ledger gave is refused", async () => {
  const [first] = await open({}).takeUntil(() => true);
  const [, ledger] = first!.cursor.split(".");
  for (const cursor of [
    "1",
    "c1",
    first!.cursor.replace(ledger!, "00000000"),
    `${first!.cursor}.`,
    `c1.${ledger}.1.99999999999999999999`,
  ]) {
    const refused = await refusalOf(open({ cursor }).takeUntil(() => true));
    expect({ cursor, ...refused }).toMatchObject({ reason: "CURSOR_INVALID", fields: ["cursor"] });
  }
});

test("a reader that checks the chains finds what was done behind the ledger's back", async () => {
  await server.client.recharge({ userId: "zed", points: 100n });
  for (let n = 1n; n <= 3n; n += 1n) {
    await server.client.consume({ userId: "zed", cost: points(n) });
  }
  const heads = newHeads();
  expect(await verdictsOfZed(heads)).toEqual(["begins", "next", "next", "next"]);
  expect(await verdictsOfZed(heads)).toEqual(["repeat", "repeat", "repeat", "repeat"]);
  const third = "user_id = 'zed' and sequence = 3";
  await database.query(`update points.entry set points = 9 where ${third}`);
  expect(await verdictsOfZed(heads)).toEqual(["repeat", "repeat", "badHash", "repeat"]);
  expect(await verdictsOfZed(newHeads())).toEqual(["begins", "next", "badHash", "next"]);
  await database.query(`delete from points.entry where ${third}`);
  expect(await verdictsOfZed(newHeads(), 3)).toEqual(["begins", "next", "gap"]);
});

test("GetLedger says which ledger this is, and who asks", async () => {
  const ledger = await server.client.getLedger({});
  expect(ledger).toMatchObject({
    epoch: 1n,
    shards: [{ number: 0, firstSlot: 0, lastSlot: 1_023 }],
    softwareVersion: "0.1.0",
    caller: { name: "", userIdPrefix: "", maxPoints: 0n },
  });
  expect(ledger.ledgerId).toMatch(/^[0-9a-f-]{36}$/);
});

async function entriesFrom(
  request: MessageInitShape<typeof StreamEntriesRequestSchema>,
  count: number,
): Promise<Entry[]> {
  const stream = open(request);
  const messages = await stream.takeUntil(({ caughtUpTo }) => caughtUpTo !== undefined);
  await stream.end();
  const entries = messages.flatMap((message) => message.entries);
  return entries.slice(0, count);
}

async function verdictsOfZed(heads: Heads, count = 4): Promise<string[]> {
  const stream = open({ cursor: "0", userIdPrefix: "zed", maxEntries: 3 });
  let came = 0;
  const messages = await stream.takeUntil(({ entries }) => (came += entries.length) >= count);
  await stream.end();
  const kinds = [];
  for await (const { verdicts } of checkStream(Readable.from(messages), heads)) {
    kinds.push(...verdicts.map(({ kind }) => kind));
  }
  return kinds;
}

/** A stream whose messages are taken one by one. */
function open(request: MessageInitShape<typeof StreamEntriesRequestSchema>) {
  const aborting = new AbortController();
  const stream = server.client.streamEntries(request, { signal: aborting.signal });
  const messages = stream[Symbol.asyncIterator]();
  const end = async () => {
    aborting.abort();
    await messages.next().catch(() => {});
  };
  onTestFinished(end);
  return {
    end,
    async takeUntil(isLast: (message: StreamEntriesResponse) => boolean) {
      const taken: StreamEntriesResponse[] = [];
      do {
        const { done, value } = await messages.next();
        if (done === true) throw new Error("the stream has ended");
        taken.push(value);
      } while (!isLast(taken.at(-1)!));
      return taken;
    },
  };
}

function bytesOf(entry: Entry): string {
  return Buffer.from(toBinary(EntrySchema, entry)).toString("hex");
}

function nameOf({ userId, sequence }: Entry): string {
  return `${userId} ${sequence}`;
}

test("new entries are brought into the index, for which autovacuum takes a minute", async () => {
  // Rows enough for two of the index's ranges, of 1 MB each.
  const metadata = Object.fromEntries(
    ["a", "b", "c"].map((key) => [key, randomBytes(125).toString("hex")]),
  );
  const operation = {
    operation: { case: "recharge", value: { userId: "eve", points: 1n, metadata } } as const,
  };
  for (let n = 0; n < 3_000; n += 100) {
    await server.client.applyBatch({ operations: Array.from({ length: 100 }, () => operation) });
  }
  await summarizeFeed(database.orm);
  const [left] = await database.query(
    "select brin_summarize_new_values('points.entry_feed') as ranges",
  );
  expect(left).toEqual({ ranges: 0 });
});
