import { setTimeout as sleep } from "node:timers/promises";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Account } from "../../gen/points/v1/account_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { makeLotsEditable } from "../support/editable-lots.ts";
import { refusalOf } from "../support/error-info.ts";
import { makeDue } from "../support/priced-server.ts";
import { sessionsTo, until } from "../support/processes.ts";
import { points, ttl } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";

let database: TestDatabase;
let server: TestServer;
let other: TestServer;
beforeAll(async () => {
  database = await testDatabase();
  server = await testServer({}, database);
  other = await testServer({}, database);
});
afterAll(async () => {
  await other.stop();
  await server.stop();
  await database.close();
});

describe("WatchAccount shows", () => {
  test("the account at once, with what is due left out", async () => {
    const userId = "due";
    await server.client.recharge({ userId, points: 5n, expiration: ttl(3_600_000) });
    await server.client.recharge({ userId, points: 7n });
    await makeDue(database, "lot", userId, 1n);
    const watch = watched(userId);
    expect(await watch.next()).toMatchObject({ userId, balance: 7n, totalExpired: 5n });
    await watch.cancel();
  });

  test("what happens by itself at its instant, though nothing books it", async () => {
    const userId = "by-itself";
    await server.client.recharge({ userId, points: 7n });
    await server.client.recharge({ userId, points: 5n, expiration: ttl(3_600_000) });
    await server.client.freeze({ userId, cost: points(6n), expiration: ttl(1_800_000) });
    const watch = watched(userId);
    expect(await watch.next()).toMatchObject({ balance: 6n, frozen: 6n, sequence: 3n });
    // An hour in a second: what the watcher reads next falls due soon, first the hold, then the lot.
    await makeLotsEditable(database);
    for (const [table, soon] of [
      ["points.hold", "500ms"],
      ["edit.lot", "900ms"],
    ] as const) {
      await database.query(
        `update ${table} set expire_time = clock_timestamp() + $2::interval
         where user_id = $1 and expire_time is not null`,
        [userId, soon],
      );
    }
    await database.query(
      "update points.account set due_time = clock_timestamp() where user_id = $1",
      [userId],
    );
    const { account } = await server.client.recharge({ userId, points: 1n });
    for (;;) {
      const seen = await watch.next();
      expect(seen.sequence).toBe(account!.sequence);
      if (seen.totalExpired === 0n) continue;
      expect(seen).toMatchObject({ balance: 8n, frozen: 0n, totalExpired: 5n });
      break;
    }
    await watch.cancel();
  });

  test("an account that is empty", async () => {
    await server.client.getOrCreate({ userId: "empty" });
    const watch = watched("empty");
    expect(await watch.next()).toMatchObject({ userId: "empty", balance: 0n, sequence: 0n });
    await server.client.recharge({ userId: "empty", points: 1n });
    expect(await watch.next()).toMatchObject({ balance: 1n, sequence: 1n });
    await watch.cancel();
  });

  test("what this server and what another server changed, as the change left it", async () => {
    const userId = "changes";
    await server.client.recharge({ userId, points: 100n });
    const watch = watched(userId);
    await watch.next();
    const mine = await server.client.consume({ userId, cost: points(1n) });
    expect(await watch.next()).toEqual(mine.account);
    const others = await other.client.freeze({ userId, cost: points(9n) });
    expect(await watch.next()).toEqual(others.account);
    const settled = await other.client.settle({ userId, hold: 3n, cost: points(2n) });
    expect(await watch.next()).toEqual(settled.account);
    await watch.cancel();
  });

  test("nothing while nothing changes, and goes on after the default deadline", async () => {
    const userId = "quiet";
    // For the streams: the calls go to a server that is patient with them.
    const hasty = await testServer({ DEADLINE_DEFAULT_MS: "500" }, database);
    onTestFinished(() => hasty.stop());
    await server.client.recharge({ userId, points: 1n });
    const watch = watched(userId, ownClient(hasty));
    await watch.next();
    const second = watch.next();
    const winner = await Promise.race([second, sleep(1_500, "silence")]);
    expect(winner).toBe("silence");
    await server.client.recharge({ userId, points: 1n });
    expect(await second).toMatchObject({ sequence: 2n });
    await watch.cancel();
  });

  test("the last of many changes in quick succession, and no older one after it", async () => {
    const userId = "quick";
    await server.client.recharge({ userId, points: 1n });
    const watch = watched(userId);
    const seen = [await watch.next()];
    await Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        (n % 2 === 0 ? server : other).client.recharge({ userId, points: 1n }),
      ),
    );
    while (seen.at(-1)!.sequence < 201n) seen.push(await watch.next());
    const sequences = seen.map(({ sequence }) => sequence);
    expect(sequences).toEqual([...new Set(sequences)].toSorted((a, b) => Number(a - b)));
    expect(seen.every(({ sequence, balance }) => sequence === balance)).toBe(true);
    await watch.cancel();
  });

  test("each of 200 watchers its own account alone", async () => {
    const users = Array.from({ length: 200 }, (_, n) => `crowd-${n}`);
    await Promise.all(users.map((userId) => server.client.recharge({ userId, points: 1n })));
    const client = ownClient(server);
    const watches = users.map((userId) => watched(userId, client));
    const firsts = await Promise.all(watches.map((watch) => watch.next()));
    expect(firsts.map(({ userId }) => userId)).toEqual(users);

    const changed = users.filter((_, n) => n % 10 === 0);
    await Promise.all(changed.map((userId) => other.client.recharge({ userId, points: 1n })));
    await Promise.all(
      watches
        .filter((_, n) => n % 10 === 0)
        .map(async (watch, n) => {
          expect(await watch.next()).toMatchObject({ userId: changed[n], sequence: 2n });
        }),
    );
    // The changes of the others come only now, and are the first that their watchers see.
    const rest = users.filter((_, n) => n % 10 !== 0);
    await Promise.all(rest.map((userId) => other.client.recharge({ userId, points: 5n })));
    await Promise.all(
      watches
        .filter((_, n) => n % 10 !== 0)
        .map(async (watch, n) => {
          expect(await watch.next()).toMatchObject({ userId: rest[n], balance: 6n });
        }),
    );
    await Promise.all(watches.map((watch) => watch.cancel()));
  });

  test("the same to several watchers of one account", async () => {
    const userId = "shared";
    await server.client.recharge({ userId, points: 1n });
    const watches = [watched(userId), watched(userId), watched(userId, ownClient(other))];
    for (const watch of watches) expect(await watch.next()).toMatchObject({ sequence: 1n });
    await server.client.recharge({ userId, points: 1n });
    for (const watch of watches) expect(await watch.next()).toMatchObject({ sequence: 2n });
    await Promise.all(watches.map((watch) => watch.cancel()));
  });

  test("changes over Connect and HTTP/1.1 too", async () => {
    const userId = "http1";
    await server.client.recharge({ userId, points: 1n });
    const { baseUrl } = server;
    const transport = createConnectTransport({ baseUrl, httpVersion: "1.1" });
    const watch = watched(userId, createClient(PointsService, transport));
    expect(await watch.next()).toMatchObject({ sequence: 1n });
    await other.client.recharge({ userId, points: 1n });
    expect(await watch.next()).toMatchObject({ sequence: 2n });
    await watch.cancel();
  });
});

describe("WatchAccount is refused", () => {
  test("without an account", async () => {
    expect(await refusalOf(watched("nobody").next())).toMatchObject({
      code: "NotFound",
      reason: "ACCOUNT_NOT_FOUND",
      domain: "points.v1",
      outcome: "NOT_APPLIED",
      metadata: { user_id: "nobody" },
    });
  });

  test.each(["", "a b", "a".repeat(129)])("for the user_id %j", async (userId) => {
    expect(await refusalOf(watched(userId).next())).toMatchObject({
      code: "InvalidArgument",
      reason: "FIELD_INVALID",
      fields: ["user_id"],
    });
  });
});

describe("WatchAccount ends", () => {
  test("when its caller cancels", async () => {
    const userId = "cancelled";
    await server.client.recharge({ userId, points: 1n });
    const watch = watched(userId);
    await watch.next();
    const next = watch.next();
    await watch.cancel();
    expect(await refusalOf(next)).toMatchObject({ code: "Canceled" });
  });

  test("at its deadline, and says so", async () => {
    const userId = "deadline";
    await server.client.recharge({ userId, points: 1n });
    // On a slow machine a deadline may pass before the first answer: then the next is later.
    for (let [answers, ms] = [0, 300]; answers === 0; ms *= 2) {
      // As a header alone, so that the client does not give up by itself before the server answers.
      const watch = watched(userId, ownClient(server), { "grpc-timeout": `${ms}m` });
      const untilEnd = async () => {
        for (; ; answers += 1) await watch.next();
      };
      expect(await refusalOf(untilEnd())).toMatchObject({
        code: "DeadlineExceeded",
        reason: "DEADLINE_EXCEEDED",
      });
    }
  });

  test("when the server stops, long before it would be cut off", async () => {
    const stopping = await testServer({ DRAIN_MS: "600000" }, database);
    const users = ["stop-1", "stop-2", "stop-3"];
    const watches = [];
    for (const userId of users) {
      await server.client.recharge({ userId, points: 1n });
      const watch = watched(userId, ownClient(stopping));
      await watch.next();
      watches.push(watch);
    }
    const ends = Promise.allSettled(watches.map((watch) => watch.next()));
    await stopping.stop();
    expect((await ends).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  });
});

test("without watchers nobody asks the database for changes", async () => {
  const userId = "asked";
  await server.client.recharge({ userId, points: 1n });
  const watch = watched(userId);
  await watch.next();
  await until("the database is asked", async () => (await questions(1_000)) > 1);
  await watch.cancel();
  await until("nobody asks", async () => (await questions(1_000)) === 0);
  expect(await questions(2_000)).toBe(0);
});

test.each(["while it watches", "after it has gone"])(
  "a server that stops asks no more, for a caller %s: its database may be left",
  async (when) => {
    const own = await testDatabase();
    const stopping = await testServer({}, own);
    await stopping.client.recharge({ userId: "left", points: 1n });
    const watch = watched("left", ownClient(stopping));
    await watch.next();
    if (when === "after it has gone") await watch.cancel();
    await stopping.stop();
    expect(await questions(1_000, own)).toBe(0);
    await own.close();
  },
);

type Watch = { next(): Promise<Account>; cancel(): Promise<void> };

function watched(userId: string, client = ownClient(server), headers = {}): Watch {
  const abort = new AbortController();
  const options = { signal: abort.signal, headers };
  const answers = client.watchAccount({ userId }, options)[Symbol.asyncIterator]();
  return {
    async next() {
      const { done, value } = await answers.next();
      if (done === true) throw new Error("the watch has ended");
      return value.account!;
    },
    async cancel() {
      abort.abort();
      await answers.next().catch(() => {});
    },
  };
}

/** A client over a connection of its own, which ends with the test. */
function ownClient({ baseUrl }: TestServer): Client<typeof PointsService> {
  const sessionManager = sessionsTo(baseUrl);
  return createClient(PointsService, createGrpcTransport({ baseUrl, sessionManager }));
}

/** The least number of queries about accounts that the database got in a time in milliseconds. */
async function questions(milliseconds: number, of = database): Promise<number> {
  const [row] = await of.query("select clock_timestamp() as start");
  const sql = `select pid, query_start from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend'
      and pid <> pg_backend_pid() and query ilike '%account%' and query_start > $1`;
  const found = new Set<string>();
  for (const end = Date.now() + milliseconds; Date.now() < end; await sleep(25)) {
    for (const query of await of.query(sql, [row!["start"]])) {
      found.add(JSON.stringify(query));
    }
  }
  return found.size;
}
