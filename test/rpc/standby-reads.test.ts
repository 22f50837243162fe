import { timestampMs } from "@bufbuild/protobuf/wkt";
import { createGrpcTransport } from "@connectrpc/connect-node";
import pg from "pg";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { reasonOf } from "../../src/errors/api-error.ts";
import { thrownError } from "../../src/rpc/thrown-error.ts";
import { watchStandby } from "../../src/server/standby-watch.ts";
import { openOrm, type Orm } from "../../src/store/driver/orm.ts";
import { laggingReads } from "../../src/store/reads/lagging.ts";
import { readSnapshot } from "../../src/store/reads/reading.ts";
import { apiOf } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { refusalOf } from "../support/error-info.ts";
import { lagging, type NearAndFar, ofAtLeast, startNearAndFar } from "../support/near-and-far.ts";
import { startPoints, until } from "../support/processes.ts";
import { projectAll } from "../support/projected.ts";
import { microsOf, points } from "../support/requests.ts";
import type { TestServer } from "../support/server.ts";
import { startProxy } from "../torture/deployment/proxy.ts";

// Lists of a standby. Streams of it are in standby-streams.test.ts.

let servers: NearAndFar;
let near: TestServer;
let far: TestServer;
beforeAll(async () => {
  servers = await startNearAndFar("standby-reads");
  ({ near, far } = servers);
});
afterAll(() => servers.stop());

let users = 0;
let ada: { readonly userId: string };
beforeEach(async () => {
  ada = { userId: `ada-${(users += 1)}` };
  for (const lot of [1n, 2n, 3n]) await near.client.recharge({ ...ada, points: lot });
});
afterEach(() => servers.resume());

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

  await servers.pause();
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
  const expiration = { case: "ttl", value: { seconds: 60n } } as const;
  const request = { ...ada, expiration, points: 4n };
  await near.client.recharge({ ...request, requestId: search.by.value });
  await project();
  const entriesOf = async () => (await far.client.searchEntries(search)).entries.length;
  await until("the standby has it all", async () => (await entriesOf()) === 1);
  const { asOf } = await lagging(() => far.client.listAccounts(all));

  await servers.pause();
  await near.client.recharge(request);
  await project();
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
  await servers.pause();
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
  await servers.pause();
  await near.client.recharge({ userId: "new", points: 1n });
  const { entries, asOf } = await far.client.listEntries({ userId: "new" });
  expect({ entries, asOf }).toMatchObject({ entries: [{ sequence: 1n }], asOf: undefined });
  const refused = await refusalOf(far.client.listEntries({ userId: "nobody" }));
  expect(refused).toMatchObject({ reason: "ACCOUNT_NOT_FOUND" });
});

test("pages go on where the standby lags behind the page before, and miss nothing", async () => {
  await lagging(() => far.client.listEntries(ada), ofAtLeast(3));
  await servers.pause();
  await near.client.recharge({ ...ada, points: 4n });
  for (let n = 0; n < 3; n += 1) await near.client.freeze({ ...ada, cost: points(1n) });
  const lots = await listed(async (server, page) => {
    const read = await server.client.listLots({ ...ada, pageSize: 2, ...page });
    return { ...read, ids: read.lots.map(({ number }) => number) };
  });
  const entries = await listed(async (server, page) => {
    const read = await server.client.listEntries({ ...ada, pageSize: 2, ...page });
    return { ...read, ids: read.entries.map(({ sequence }) => sequence) };
  });
  const holds = await listed(async (server, page) => {
    const read = await server.client.listHolds({ ...ada, pageSize: 2, ...page });
    return { ...read, ids: read.holds.map(({ number }) => number) };
  });
  expect(lots).toEqual([1n, 2n, 3n, 4n]);
  expect(entries).toEqual([7n, 6n, 5n, 4n, 3n, 2n, 1n]);
  expect(holds).toEqual([7n, 6n, 5n]);
});

test("nor where it lags behind a page over all accounts", async () => {
  await lagging(() => far.client.listAccounts({}));
  await servers.pause();
  const [requestId, userIdPrefix] = [`of-${ada.userId}`, `${ada.userId}-`];
  const ids = ["a", "b", "c"].map((end) => `${userIdPrefix}${end}`);
  const expiration = { case: "ttl", value: { seconds: 60n } } as const;
  for (const userId of ids) {
    await near.client.recharge({ userId, requestId, expiration, points: 1n });
  }
  await project();
  const within = { seconds: 86_400n };
  const accounts = await listed(async (server, page) => {
    const read = await server.client.listAccounts({ userIdPrefix, pageSize: 1, ...page });
    return { ...read, ids: read.accounts.map(({ userId }) => userId) };
  });
  const expiring = await listed(async (server, page) => {
    const read = await server.client.listExpiring({ userIdPrefix, within, pageSize: 1, ...page });
    return { ...read, ids: read.expiring.map(({ userId }) => userId) };
  });
  const by = { case: "requestId", value: requestId } as const;
  const entries = await listed(async (server, page) => {
    const read = await server.client.searchEntries({ by, userIdPrefix, pageSize: 1, ...page });
    return { ...read, ids: read.entries.map(({ userId }) => userId) };
  });
  expect(accounts).toEqual(ids);
  expect(expiring).toEqual(ids);
  expect(entries).toEqual(ids.toReversed());
});

test("a standby that is away, or lacks a migration, is not used until it is fit again", async () => {
  const isUsed = async () => /^points_reads_standby 1$/m.test(await far.metrics());
  const fromPrimary = async () => (await far.client.listEntries(ada)).asOf === undefined;
  await until("it is used", isUsed);
  servers.cut();
  expect(await fromPrimary()).toBe(true);
  await until("it is away", async () => !(await isUsed()));
  servers.mend();
  await until("it is used again", isUsed);
  const name = "'0006_projection'";
  await servers.replicated.query(`delete from points.migration where name = ${name}`);
  await until("its schema is too old", async () => !(await isUsed()));
  expect(await fromPrimary()).toBe(true);
  await servers.replicated.query(`insert into points.migration (name) values (${name})`);
  await until("its schema is new enough", isUsed);
});

test("a server takes the standby from READS_URL, and says when it is away and back", async () => {
  const server = await startPoints({
    DATABASE_URL: servers.replicated.url(),
    READS_URL: servers.standbyUrl,
  });
  const { listEntries } = apiOf(createGrpcTransport({ baseUrl: server.baseUrl }));
  await lagging(() => listEntries(ada));
  servers.cut();
  const says = (text: string) => until(text, () => server.stderr().includes(text));
  await says("the standby for reads cannot be used: the primary answers");
  servers.mend();
  await says("the standby for reads is used again");
  await lagging(() => listEntries(ada));
});

test("READS_URL must not lead to a server that takes writes, nor to another ledger", async () => {
  const other = await testDatabase();
  onTestFinished(() => other.close());
  const { primary, standby, replicated } = servers;
  let isPromoted = true;
  const line = await startProxy(() => {
    return { path: isPromoted ? replicated.socketPath()! : replicated.standbySocket()! };
  });
  const pool = await openOrm(`postgresql://points@127.0.0.1:${line.port}/points`, 2);
  onTestFinished(async () => {
    await pool.close();
    await line.close();
  });
  const toPrimary = watched({ standby: pool, primary });
  await until("it says so", () => toPrimary.says("leads to a server that takes writes"));
  isPromoted = false;
  await until("a new connection leads to a standby", () => toPrimary.isUsed() === true);
  const toOther = watched({ standby, primary: other.orm });
  await until("it says so", () => toOther.says("leads to another ledger"));
  expect(toOther.isUsed()).toBe(false);
});

test("a standby that lacks the primary's last epoch is not used until it has it", async () => {
  const { primary, standby, replicated } = servers;
  const watch = watched({ standby, primary });
  await until("it is used", () => watch.isUsed() === true);
  await servers.pause();
  // As if the primary were another, which was promoted.
  await replicated.query(`
    insert into points.epoch select epoch + 1, system_identifier, timeline, begin_time, fork_lsn
    from points.epoch order by epoch desc limit 1`);
  await until("it says so", () => watch.says("the standby's last epoch is not the primary's"));
  expect(watch.isUsed()).toBe(false);
  await servers.resume();
  await until("it is used again", () => watch.isUsed() === true);
  await replicated.query(
    "delete from points.epoch where epoch = (select max(epoch) from points.epoch)",
  );
});

test("sums that find no free connection are refused, and not given to the primary", async () => {
  const { primary, standby } = servers;
  const { watch, isUsed } = watched({ standby, primary });
  const pool = await openOrm(servers.standbyUrl, 2);
  onTestFinished(() => pool.close());
  await until("it is used", () => isUsed() === true);
  const held = Promise.withResolvers<void>();
  const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holding = begun.map(({ resolve }) =>
    readSnapshot(pool, async () => {
      resolve();
      await held.promise;
    }),
  );
  await Promise.all(begun.map(({ promise }) => promise));
  // From now on: a connection that is made may take longer on a slow machine.
  const { options } = await pool.driver.getConnection().getNativeClient();
  options.connectionTimeoutMillis = 20;
  const sums = laggingReads({ primary, standby: { pool, state: watch }, refusesBusy: true });
  const refused = await sums.read(async () => "read").catch((error: unknown) => error);
  held.resolve();
  await Promise.all(holding);
  const error = thrownError(refused, () => expect.unreachable("it is no bug"));
  expect(reasonOf(error)).toBe("OVERLOADED");
  expect(await sums.read(async ({ lags }) => lags)).toBe(true);
});

test("a standby that replays no commit is not used until it does", async () => {
  const { primary, standby } = servers;
  const watch = watched({ standby, primary });
  await until("it is used", () => watch.isUsed() === true);
  await servers.pause();
  await until("it says so", () => watch.says("the standby replays no commit"));
  expect(watch.isUsed()).toBe(false);
  await servers.resume();
  await until("it is used again", () => watch.isUsed() === true);
});

/** A watch that looks often, and what it tells. */
function watched(pools: { readonly standby: Orm; readonly primary: Orm }) {
  let isUsed: boolean | undefined;
  const lines: string[] = [];
  const log = pino({}, { write: (line) => void lines.push(line) });
  const watch = watchStandby({
    ...pools,
    log,
    used: (is) => void (isUsed = is),
    everyMs: 20,
    missedMaxBeats: 50,
  });
  onTestFinished(() => watch.stop());
  return {
    watch,
    isUsed: () => isUsed,
    says: (text: string) => lines.some((line) => line.includes(text)),
  };
}

type Listed<Id> = { readonly ids: readonly Id[]; readonly nextPageToken: string };

/** All items of a list: the first page from the one server, the others from the one that lags. */
async function listed<Id>(
  read: (server: TestServer, page: { pageToken: string }) => Promise<Listed<Id>>,
): Promise<Id[]> {
  let page = await read(near, { pageToken: "" });
  const all = [...page.ids];
  while (page.nextPageToken !== "") {
    page = await read(far, { pageToken: page.nextPageToken });
    all.push(...page.ids);
  }
  return all;
}

/** Brings the index and the sums up to date. */
async function project(): Promise<void> {
  const session = new pg.Client({ connectionString: servers.replicated.url() });
  await session.connect();
  onTestFinished(() => session.end());
  const query = async (text: string, values?: unknown[]) =>
    (await session.query(text, values)).rows;
  await projectAll({ orm: servers.primary, query });
}
