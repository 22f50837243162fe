import type { MessageInitShape } from "@bufbuild/protobuf";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import type {
  StreamEntriesRequestSchema,
  StreamEntriesResponse,
} from "../../gen/points/v1/ledger_pb.ts";
import { reloadConfiguration } from "../support/cluster.ts";
import { lagging, type NearAndFar, ofAtLeast, startNearAndFar } from "../support/near-and-far.ts";
import { until } from "../support/processes.ts";
import { points } from "../support/requests.ts";
import type { TestServer } from "../support/server.ts";

let servers: NearAndFar;
let near: TestServer;
let far: TestServer;
beforeAll(async () => {
  servers = await startNearAndFar("standby-streams");
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

test("a stream over a standby has what the primary has, also what commits late", async () => {
  const holder = await client();
  await holder.query("begin");
  const { rows } = await holder.query("select pg_current_xact_id()::text as id");
  const stream = open(far, { cursor: "0", userIdPrefix: ada.userId });
  const messages = await stream.takeUntil(hasEntry(3n));
  await near.client.consume({ ...ada, cost: points(1n) });
  const oldest = BigInt((rows as { id: string }[])[0]!.id);
  await until("the standby knows of the open transaction, and of younger ones", async () => {
    const [seen] = await servers.replicated.queryStandby(
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
  await servers.pause();
  await near.client.consume({ ...ada, cost: points(1n) });
  const read = await open(near, { cursor: "0" }).takeUntil(hasEntry(4n));
  const { cursor } = read.at(-1)!;
  const stream = open(far, { cursor, userIdPrefix: ada.userId });
  const quiet = [await stream.next(), await stream.next()];
  expect(quiet).toMatchObject([{ entries: [] }, { entries: [] }]);
  expect(quiet.flatMap(({ epochChange }) => epochChange ?? [])).toEqual([]);
  await near.client.consume({ ...ada, cost: points(1n) });
  await servers.resume();
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

// The last one: there is no standby behind it.
test("a standby that was promoted beside the primary is asked for nothing", async () => {
  const stream = open(far, { userIdPrefix: ada.userId });
  await stream.next();
  await setStandbys("''");
  await servers.replicated.queryStandby("select pg_promote()");
  await near.client.recharge({ ...ada, points: 4n });
  const page = await far.client.listEntries(ada);
  expect(page).toEqual(await near.client.listEntries(ada));
  const messages = await stream.takeUntil(hasEntry(4n));
  expect(messages.flatMap(({ epochChange }) => epochChange ?? [])).toEqual([]);
});

async function setStandbys(names: string): Promise<void> {
  await servers.replicated.query(`alter system set synchronous_standby_names = ${names}`);
  await reloadConfiguration((sql) => servers.replicated.query(sql));
}

function hasEntry(sequence: bigint) {
  return ({ entries }: StreamEntriesResponse) =>
    entries.some((entry) => entry.userId === ada.userId && entry.sequence === sequence);
}

async function client(): Promise<pg.Client> {
  const connected = new pg.Client({ connectionString: servers.replicated.url() });
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
