import { rm } from "node:fs/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { createGrpcTransport } from "@connectrpc/connect-node";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import type {
  StreamEntriesRequestSchema,
  StreamEntriesResponse,
} from "../../gen/points/v1/ledger_pb.ts";
import { openOrm, type Orm } from "../../src/store/driver/orm.ts";
import { migrate } from "../../src/store/schema/migrate.ts";
import { apiOf } from "../support/api.ts";
import { reloadConfiguration } from "../support/cluster.ts";
import { refusalOf } from "../support/error-info.ts";
import { startPoints, until } from "../support/processes.ts";
import { projectAll } from "../support/projected.ts";
import { microsOf, points } from "../support/requests.ts";
import { makeFolder } from "../support/run-folder.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { type Replicated, startReplicated } from "../support/standby.ts";
import { type Proxy, startProxy } from "../torture/deployment/proxy.ts";

// Two servers on one primary: `near` reads from it, and `far` from its standby, whose replay a test may
// pause. On a slow machine the standby may count as away for a moment: tests wait for its answers.

let folder: string;
let replicated: Replicated;
let line: Proxy;
let isCut = false;
let pools: Orm[];
let near: TestServer;
let far: TestServer;
beforeAll(async () => {
  folder = await makeFolder("standby-reads");
  replicated = await startReplicated(folder, { fsync: "off", autovacuum: "off" });
  const orm = await openOrm(replicated.url(), 8);
  await migrate(orm);
  line = await startProxy(() => {
    const path = isCut ? undefined : replicated.standbySocket();
    return path === undefined ? undefined : { path };
  });
  const standby = await openOrm(`postgresql://points@127.0.0.1:${line.port}/points`, 8);
  pools = [orm, standby];
  const database = { orm, url: "", query: async () => [], close: async () => {} };
  near = await testServer({}, database);
  far = await testServer({}, { ...database, standby });
});
afterAll(async () => {
  await Promise.all([near.stop(), far.stop()]);
  await Promise.all(pools.map((pool) => pool.close()));
  await line.close();
  await replicated.stop();
  await rm(folder, { recursive: true });
});

let users = 0;
let ada: { readonly userId: string };
beforeEach(async () => {
  ada = { userId: `ada-${(users += 1)}` };
  for (const lot of [1n, 2n, 3n]) await near.client.recharge({ ...ada, points: lot });
});
afterEach(resume);

test("a list of a standby is as of a time, and all before it is there", async () => {
  const known = await near.client.listEntries(ada);
  expect(known.asOf).toBeUndefined();
  const page = await lagging(() => far.client.listEntries(ada), ofAtLeast(3));
  expect(page.entries).toEqual(known.entries);
  expect(await lagging(() => far.client.listLots(ada))).toMatchObject({ lots: [{}, {}, {}] });
  expect(await lagging(() => far.client.listHolds(ada))).toMatchObject({ holds: [] });
  await until("it is as of later, though nobody does anything", async () => {
    const { asOf } = await far.client.listEntries(ada);
    return asOf !== undefined && timestampMs(asOf) > timestampMs(page.asOf!);
  });

  await pause();
  await near.client.consume({ ...ada, cost: points(1n) });
  const [charge] = (await near.client.listEntries(ada)).entries;
  const old = await lagging(() => far.client.listEntries(ada));
  expect(old.entries).toEqual(known.entries);
  expect(microsOf(old.asOf!)).toBeLessThan(microsOf(charge!.createTime!));
});

test("what is asked over all accounts is as of the standby's state, too", async () => {
  const all = { userIdPrefix: ada.userId };
  const whole = { ...all, within: { seconds: 86_400n } };
  const search = { by: { case: "requestId", value: `of-${ada.userId}` } } as const;
  const sum = { of: { case: "userId", value: ada.userId } } as const;
  const session = await client();
  const query = async (text: string, values?: unknown[]) =>
    (await session.query(text, values)).rows;
  const expiration = { case: "ttl", value: { seconds: 60n } } as const;
  const request = { ...ada, expiration, points: 4n };
  await near.client.recharge({ ...request, requestId: search.by.value });
  await projectAll({ orm: pools[0]!, query });
  const entriesOf = async () => (await far.client.searchEntries(search)).entries.length;
  await until("the standby has it all", async () => (await entriesOf()) === 1);
  const { asOf } = await lagging(() => far.client.listAccounts(all));

  await pause();
  await near.client.recharge(request);
  await projectAll({ orm: pools[0]!, query });
  await until("it shows an older state", async () => {
    const { accounts, asOf: then } = await far.client.listAccounts(all);
    const { expiring } = await far.client.listExpiring(whole);
    const { sums, caughtUpTo } = await far.client.summarize(sum);
    const now = await near.client.summarize(sum);
    expect(now.sums).toMatchObject([{ points: 14n, entries: 5n }]);
    const isOld = timestampMs(caughtUpTo!) < timestampMs(now.caughtUpTo!);
    if (!isOld || accounts[0]!.balance !== 10n || expiring[0]!.points !== 4n) return false;
    expect(sums).toMatchObject([{ points: 10n, entries: 4n }]);
    return timestampMs(then!) >= timestampMs(asOf!);
  });
});

test("who has seen an entry gets no older answer", async () => {
  await lagging(() => far.client.listEntries(ada), ofAtLeast(3));
  await pause();
  await near.client.freeze({ ...ada, cost: points(1n) });
  const seen = { ...ada, minSequence: 4n };
  expect(await far.client.listEntries(seen)).toEqual(await near.client.listEntries(seen));
  expect(await far.client.listLots(seen)).toEqual(await near.client.listLots(seen));
  expect(await far.client.listHolds(seen)).toEqual(await near.client.listHolds(seen));
  const known = { ...ada, minSequence: 3n };
  expect(await lagging(() => far.client.listHolds(known))).toMatchObject({ holds: [] });
});

test("an account that only the primary has is found, and one that is nowhere is not", async () => {
  await lagging(() => far.client.listEntries(ada));
  await pause();
  await near.client.recharge({ userId: "new", points: 1n });
  const { entries, asOf } = await far.client.listEntries({ userId: "new" });
  expect({ entries, asOf }).toMatchObject({ entries: [{ sequence: 1n }], asOf: undefined });
  const refused = await refusalOf(far.client.listEntries({ userId: "nobody" }));
  expect(refused).toMatchObject({ reason: "ACCOUNT_NOT_FOUND" });
});

test("pages go on where the standby lags behind the page before, and miss nothing", async () => {
  await lagging(() => far.client.listEntries(ada), ofAtLeast(3));
  await pause();
  await near.client.recharge({ ...ada, points: 4n });
  for (let n = 0; n < 3; n += 1) await near.client.freeze({ ...ada, cost: points(1n) });
  const lots = await numbers(async (server, page) => {
    const read = await server.client.listLots({ ...ada, pageSize: 2, ...page });
    return { ...read, numbers: read.lots.map(({ number }) => number) };
  });
  const entries = await numbers(async (server, page) => {
    const read = await server.client.listEntries({ ...ada, pageSize: 2, ...page });
    return { ...read, numbers: read.entries.map(({ sequence }) => sequence) };
  });
  const holds = await numbers(async (server, page) => {
    const read = await server.client.listHolds({ ...ada, pageSize: 2, ...page });
    return { ...read, numbers: read.holds.map(({ number }) => number) };
  });
  expect(lots).toEqual([1n, 2n, 3n, 4n]);
  expect(entries).toEqual([7n, 6n, 5n, 4n, 3n, 2n, 1n]);
  expect(holds).toEqual([7n, 6n, 5n]);
});

test("a standby that is away, or lacks a migration, is not used until it is fit again", async () => {
  const isUsed = async () => /^points_reads_standby 1$/m.test(await far.metrics());
  const fromPrimary = async () => (await far.client.listEntries(ada)).asOf === undefined;
  await until("it is used", isUsed);
  isCut = true;
  line.reset();
  expect(await fromPrimary()).toBe(true);
  await until("it is away", async () => !(await isUsed()));
  isCut = false;
  await until("it is used again", isUsed);
  const name = "'0006_projection'";
  await replicated.query(`delete from points.migration where name = ${name}`);
  await until("its schema is too old", async () => !(await isUsed()));
  expect(await fromPrimary()).toBe(true);
  await replicated.query(`insert into points.migration (name) values (${name})`);
  await until("its schema is new enough", isUsed);
});

test("a stream over a standby has what the primary has, also what commits late", async () => {
  const holder = await client();
  await holder.query("begin");
  const { rows } = await holder.query("select pg_current_xact_id()::text as id");
  const stream = open(far, { cursor: "0", userIdPrefix: ada.userId });
  const messages = await stream.takeUntil(hasEntry(3n));
  await near.client.consume({ ...ada, cost: points(1n) });
  const oldest = BigInt((rows as { id: string }[])[0]!.id);
  await until("the standby knows of the open transaction, and of younger ones", async () => {
    const [seen] = await replicated.queryStandby(
      `select pg_snapshot_xmin(s)::text as xmin, pg_snapshot_xmax(s)::text as xmax
      from pg_current_snapshot() as s`,
    );
    return BigInt(String(seen!["xmin"])) === oldest && BigInt(String(seen!["xmax"])) > oldest + 1n;
  });
  messages.push(await stream.next(), await stream.next());
  expect(messages.some(hasEntry(4n))).toBe(false);
  await holder.query("commit");
  messages.push(...(await stream.takeUntil(hasEntry(4n))));
  const streamed = messages.flatMap(({ entries }) => entries);
  expect(streamed).toEqual((await near.client.listEntries(ada)).entries.toReversed());
});

test("a cursor goes back and forth between servers with and without a standby", async () => {
  let cursor = "0";
  const taken: Entry[] = [];
  for (let sequence = 4n; sequence <= 9n; sequence += 1n) {
    await near.client.recharge({ ...ada, points: 1n });
    const server = sequence % 2n === 0n ? near : far;
    const stream = open(server, { cursor, userIdPrefix: ada.userId });
    const messages = await stream.takeUntil(hasEntry(sequence));
    expect(messages.flatMap(({ epochChange }) => epochChange ?? [])).toEqual([]);
    taken.push(...messages.flatMap(({ entries }) => entries));
    cursor = messages.at(-1)!.cursor;
    await stream.end();
  }
  expect(taken.map(({ sequence }) => sequence)).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n]);
});

test("a cursor that is ahead of the standby waits for it", async () => {
  await lagging(() => far.client.listEntries(ada));
  await pause();
  await near.client.consume({ ...ada, cost: points(1n) });
  const read = await open(near, { cursor: "0" }).takeUntil(hasEntry(4n));
  const { cursor } = read.at(-1)!;
  const stream = open(far, { cursor, userIdPrefix: ada.userId });
  const quiet = [await stream.next(), await stream.next()];
  expect(quiet).toMatchObject([{ entries: [] }, { entries: [] }]);
  expect(quiet.flatMap(({ epochChange }) => epochChange ?? [])).toEqual([]);
  await near.client.consume({ ...ada, cost: points(1n) });
  await resume();
  const messages = await stream.takeUntil(hasEntry(5n));
  const seen = [...read, ...messages].flatMap(({ entries }) => entries);
  expect(
    seen.filter(({ userId }) => userId === ada.userId).map(({ sequence }) => sequence),
  ).toEqual([1n, 2n, 3n, 4n, 5n]);
});

test("a commit that the standby shows first is neither missed nor taken for lost", async () => {
  const first = await open(near, { cursor: "" }).next();
  await setStandbys("'2 (standby, nobody)'");
  const charging = near.client.recharge({ ...ada, points: 4n });
  const ofAda = { userIdPrefix: ada.userId };
  const early = await open(far, { cursor: first.cursor, ...ofAda }).takeUntil(hasEntry(4n));
  const { entries } = await lagging(() => far.client.listEntries(ada), ofAtLeast(4));
  expect(entries[0]).toMatchObject({ sequence: 4n });
  expect((await near.client.getAccount(ada)).account).toMatchObject({ sequence: 3n });
  const late = open(near, { cursor: early.at(-1)!.cursor, ...ofAda });
  const quiet = [await late.next(), await late.next()];
  await setStandbys("'standby'");
  await charging;
  await near.client.recharge({ ...ada, points: 5n });
  const messages = [...quiet, ...(await late.takeUntil(hasEntry(5n)))];
  expect(messages.flatMap(({ epochChange }) => epochChange ?? [])).toEqual([]);
  expect(messages.flatMap((message) => message.entries)).toMatchObject([{ sequence: 5n }]);
});

test("a server takes the standby from READS_URL, and says when it is away and back", async () => {
  const READS_URL = `postgresql://points@127.0.0.1:${line.port}/points`;
  const server = await startPoints({ DATABASE_URL: replicated.url(), READS_URL });
  const { listEntries } = apiOf(createGrpcTransport({ baseUrl: server.baseUrl }));
  await lagging(() => listEntries(ada));
  isCut = true;
  line.reset();
  const says = (text: string) => until(text, () => server.stderr().includes(text));
  await says("the standby for reads cannot be used: the primary answers");
  isCut = false;
  await says("the standby for reads is used again");
  await lagging(() => listEntries(ada));
});

// The last one: there is no standby behind it.
test("a standby that was promoted beside the primary is asked for nothing", async () => {
  const stream = open(far, { userIdPrefix: ada.userId });
  await stream.next();
  await setStandbys("''");
  await replicated.queryStandby("select pg_promote()");
  await near.client.recharge({ ...ada, points: 4n });
  const page = await far.client.listEntries(ada);
  expect(page).toEqual(await near.client.listEntries(ada));
  const messages = await stream.takeUntil(hasEntry(4n));
  expect(messages.flatMap(({ epochChange }) => epochChange ?? [])).toEqual([]);
});

async function setStandbys(names: string): Promise<void> {
  await replicated.query(`alter system set synchronous_standby_names = ${names}`);
  await reloadConfiguration((sql) => replicated.query(sql));
}

type Numbers = { readonly numbers: readonly bigint[]; readonly nextPageToken: string };

/** All items of a list: the first page from the one server, the others from the one that lags. */
async function numbers(
  read: (server: TestServer, page: { pageToken: string }) => Promise<Numbers>,
): Promise<bigint[]> {
  let page = await read(near, { pageToken: "" });
  const all = [...page.numbers];
  while (page.nextPageToken !== "") {
    page = await read(far, { pageToken: page.nextPageToken });
    all.push(...page.numbers);
  }
  return all;
}

async function pause(): Promise<void> {
  await replicated.queryStandby("select pg_wal_replay_pause()");
  await until("it is paused", async () => {
    const [state] = await replicated.queryStandby("select pg_get_wal_replay_pause_state() as is");
    return state!["is"] === "paused";
  });
}

async function resume(): Promise<void> {
  await replicated.queryStandby(
    "select case when pg_is_in_recovery() then pg_wal_replay_resume() end",
  );
}

/** An answer of the standby, which is not always used, and lags. */
async function lagging<Page extends { asOf?: Timestamp | undefined }>(
  call: () => Promise<Page>,
  fits: (page: Page) => boolean = () => true,
): Promise<Page> {
  let page: Page | undefined;
  await until("the standby answers so", async () => {
    page = await call();
    return page.asOf !== undefined && fits(page);
  });
  return page!;
}

function ofAtLeast(count: number) {
  return ({ entries }: { readonly entries: readonly Entry[] }) => entries.length >= count;
}

function hasEntry(sequence: bigint) {
  return ({ entries }: StreamEntriesResponse) =>
    entries.some((entry) => entry.userId === ada.userId && entry.sequence === sequence);
}

async function client(): Promise<pg.Client> {
  const connected = new pg.Client({ connectionString: replicated.url() });
  await connected.connect();
  onTestFinished(() => connected.end());
  return connected;
}

/** A stream whose messages are taken one by one. */
function open(server: TestServer, request: MessageInitShape<typeof StreamEntriesRequestSchema>) {
  const aborting = new AbortController();
  const stream = server.client.streamEntries(request, { signal: aborting.signal });
  const messages = stream[Symbol.asyncIterator]();
  const end = async () => {
    aborting.abort();
    await messages.next().catch(() => {});
  };
  onTestFinished(end);
  const next = async () => {
    const { done, value } = await messages.next();
    if (done === true) throw new Error("the stream has ended");
    return value;
  };
  return {
    end,
    next,
    async takeUntil(isLast: (message: StreamEntriesResponse) => boolean) {
      const taken = [await next()];
      while (!isLast(taken.at(-1)!)) taken.push(await next());
      return taken;
    },
  };
}
