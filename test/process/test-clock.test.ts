import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { clientsOf } from "../support/load.ts";
import { runPoints, startPoints, temporaryFolder, until } from "../support/processes.ts";
import { microsOf, ttl } from "../support/requests.ts";
import { workersOf } from "../support/workers.ts";

const DAY_MS = 86_400_000;
const SET_FORWARD =
  "points: the clock of this ledger was set forward by 31d, for tests: " +
  "start with TEST_CLOCK=1, or set DATA_DIR to another folder\n";
const NO_CLOCK =
  "points: this ledger has no clock for tests: only a server that is started with TEST_CLOCK=1 gives it one\n";

test("a month passes in a second: what is due by then is due, and booked at its instant", async () => {
  const DATA_DIR = await temporaryFolder();
  const PRICES = join(DATA_DIR, "prices.yaml");
  const inHalfAMonth = new Date(Date.now() + 15 * DAY_MS).toISOString();
  await writeFile(PRICES, twoLists(inHalfAMonth));
  const environment = { DATA_DIR, PRICES, TEST_CLOCK: "1", SWEEP_SECONDS: "86400" };
  const server = await startPoints(environment);
  const points = (...args: string[]) => runPoints({ DATA_DIR }, args).exit;
  const [client] = clientsOf(server, 1);
  const userId = "ada";
  const { entry } = await client!.recharge({
    userId,
    points: 5n,
    expiration: ttl(30 * DAY_MS),
  });
  const usage = { service: "it" };
  expect(await client!.quote({ usage })).toMatchObject({ points: 1n, priceVersion: "now" });
  const watching = new AbortController();
  onTestFinished(() => watching.abort());
  const answers = client!.watchAccount({ userId }, { signal: watching.signal });
  const watch = answers[Symbol.asyncIterator]();
  expect((await watch.next()).value?.account?.balance).toBe(5n);
  expect((await points("clock")).stdout).toMatch(/^\d{4}-\S+Z, ahead by 0s\n$/);

  // Half of the time is not yet enough.
  expect(await points("clock", "advance", "29d")).toMatchObject({ code: 0, stderr: "" });
  expect((await client!.getAccount({ userId })).account?.balance).toBe(5n);
  expect(await client!.quote({ usage })).toMatchObject({ points: 2n, priceVersion: "later" });
  expect((await client!.getPriceList({})).priceVersion).toBe("later");
  const advanced = await points("clock", "advance", "48h");
  expect(advanced).toMatchObject({ code: 0, stderr: "" });
  expect(advanced.stdout).toMatch(/^\d{4}-\S+Z, ahead by 31d\n$/);

  const gone = { balance: 0n, totalExpired: 5n };
  expect((await client!.getAccount({ userId })).account).toMatchObject({ ...gone, sequence: 1n });
  expect((await watch.next()).value?.account).toMatchObject(gone);
  expect(await points("sweep")).toMatchObject({ code: 1, stderr: SET_FORWARD });
  const swept = await runPoints({ DATA_DIR, TEST_CLOCK: "1" }, ["sweep"]).exit;
  expect(swept).toMatchObject({ code: 0, stdout: "booked what was due on 1 account\n" });
  const { entries } = await client!.listEntries({ userId });
  expect(entries.map(({ kind }) => kind)).toEqual([EntryKind.EXPIRE, EntryKind.RECHARGE]);
  expect(entries[0]!.createTime).toEqual(entry!.expireTime);
  const later = await client!.recharge({ userId, points: 7n });
  const passed = microsOf(later.entry!.createTime!) - microsOf(entry!.createTime!);
  expect(passed).toBeGreaterThan(BigInt(31 * DAY_MS) * 1_000n);
  for (const TEST_CLOCK of ["0", "1"]) {
    const verified = await runPoints({ DATA_DIR, TEST_CLOCK }, ["verify"]).exit;
    expect(verified).toMatchObject({ code: 0, stderr: "" });
    expect(verified.stdout).toContain("1 account, 3 entries: all in order\n");
  }
  expect((await server.end("SIGTERM")).code).toBe(0);

  // It is a ledger for tests for ever.
  expect(await runPoints({ DATA_DIR }).exit).toMatchObject({ code: 1, stderr: SET_FORWARD });
  const again = await startPoints(environment);
  expect(again.stdout()).toContain("sets it forward, so far by 31d\n");
  const [other] = clientsOf(again, 1);
  expect((await other!.getAccount({ userId })).account?.balance).toBe(7n);
});

test("a server says loudly that its clock is for tests", async () => {
  const server = await startPoints({ DATA_DIR: await temporaryFolder(), TEST_CLOCK: "1" });
  const says =
    'for tests alone (TEST_CLOCK=1): "points clock advance" sets it forward, so far by 0s';
  expect(server.stdout()).toContain(`\nClock: ${says}\n`);
  const lines = server.stderr().trim().split("\n");
  const warnings = lines.map((line) => JSON.parse(line) as { level: number; msg: string });
  expect(warnings).toContainEqual(
    expect.objectContaining({ level: 40, msg: `the clock is ${says}` }),
  );
  const [, metrics] = /Metrics: (\S+)/.exec(server.stdout())!;
  const ready = await fetch(new URL("/readyz", metrics));
  expect([ready.status, await ready.text()]).toEqual([200, "ok, by a clock for tests\n"]);
});

test("the workers of a server go by its clock, and the sweeper books by it", async () => {
  const DATA_DIR = await temporaryFolder();
  const server = await startPoints({ DATA_DIR, TEST_CLOCK: "1", WORKERS: "2", SWEEP_SECONDS: "1" });
  expect(await workersOf(server)).toHaveLength(2);
  const clients = clientsOf(server, 4);
  const userId = "ada";
  await clients[0]!.recharge({ userId, points: 5n, expiration: ttl(30 * DAY_MS) });
  await runPoints({ DATA_DIR }, ["clock", "advance", "31d"]).exit;
  for (const client of clients) {
    expect((await client.getAccount({ userId })).account?.balance).toBe(0n);
  }
  await until("the sweeper has booked it", async () => {
    const { account } = await clients[0]!.getAccount({ userId });
    if (account!.sequence < 2n) await sleep(50);
    return account!.sequence === 2n;
  });
});

test("a server without it has no clock to set, even where one before had it", async () => {
  const DATA_DIR = await temporaryFolder();
  const points = (...args: string[]) => runPoints({ DATA_DIR }, args).exit;
  const first = await startPoints({ DATA_DIR, TEST_CLOCK: "1" });
  expect((await points("clock")).code).toBe(0);
  await first.end("SIGTERM");
  const second = await startPoints({ DATA_DIR });
  expect(second.stdout()).not.toContain("Clock:");
  for (const args of [["clock"], ["clock", "advance", "1s"]]) {
    expect(await points(...args)).toMatchObject({ code: 1, stdout: "", stderr: NO_CLOCK });
  }
  await second.end("SIGTERM");
  expect((await runPoints({ DATA_DIR, TEST_CLOCK: "1" }, ["sweep"]).exit).code).toBe(0);
});

test("a server refuses it on a database that is not its own", async () => {
  const DATABASE_URL = "postgresql://points@127.0.0.1:1/points";
  const { code, stderr } = await runPoints({ DATABASE_URL, TEST_CLOCK: "1" }).exit;
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr:
      "points: TEST_CLOCK=1: takes no DATABASE_URL, for it is for tests on a PostgreSQL of its own\n",
  });
});

function twoLists(from: string): string {
  return `lists:
  - { version: now, services: { it: { fixed: 1 } } }
  - { version: later, from: ${from}, services: { it: { fixed: 2 } } }
`;
}
