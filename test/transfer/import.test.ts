import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Shortfall } from "../../gen/points/v1/points_pb.ts";
import { auditDatabase } from "../support/audit.ts";
import { fileOf, importText, isRefused, runAt, stoppedAfter } from "../support/importing.ts";
import { runPoints, temporaryFolder } from "../support/processes.ts";
import { creditLine } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

describe("importing operations", () => {
  test("applies them in order, each once, and gives request ids to those without one", async () => {
    const recharge = { userId: "op-1", points: "5", metadata: { why: "a\u2028b" } };
    const lines = [
      JSON.stringify({ recharge }),
      JSON.stringify({ consume: { userId: "op-1", points: "4", requestId: "job-1" } }),
      JSON.stringify({ consume: { userId: "op-1", points: "4" } }),
      "",
      JSON.stringify({ recharge }),
      "{",
      JSON.stringify({ recharge: { ...recharge, point: 1 } }),
      JSON.stringify({ user_id: "ada", balance: 1 }),
      "[1]",
    ];
    const file = await fileOf("operations.ndjson", lines.join("\r\n"));
    for (const before of ["", ", 3 of them before"]) {
      const { code, stdout, stderr } = await runAt(server, "import", file);
      expect(code).toBe(1);
      expect(stdout).toMatch(new RegExp(`: 3 imported${before}, 5 bad\n$`));
      expect(stderr.trimEnd().split("\n").toSorted()).toEqual([
        `${file}:3: 4 points are required, the balance is 1 (INSUFFICIENT_POINTS)`,
        expect.stringMatching(/:6: is no JSON: /),
        expect.stringMatching(/:7: .*point/),
        `${file}:8: is one of the accounts, in a file of operations`,
        `${file}:9: is no JSON object`,
      ]);
      // The third was refused for lack of points the first time, and refusals are not remembered.
      await server.client.consume({
        userId: "op-1",
        requestId: "rest",
        cost: { case: "points", value: 5n },
      });
    }
    const { entries } = await server.client.listEntries({ userId: "op-1" });
    expect(entries.map(({ requestId }) => requestId).toReversed()).toEqual([
      expect.stringMatching(/^import-.{22}-1$/),
      "job-1",
      expect.stringMatching(/^import-.{22}-2$/),
      "rest",
    ]);
    expect(entries.at(-1)!.metadata).toEqual(recharge.metadata);
  });

  test("derives request ids from content, so that lines may be corrected, added and removed", async () => {
    const line = (points: number, userId = "op-2") =>
      `{"recharge":{"userId":"${userId}","points":${points}}}`;
    const first = [line(0), line(1), line(2), line(1)];
    expect(await importText(server.client, first)).toMatchObject({ lines: 4, before: 0, bad: 1 });
    const second = [line(4), "", line(1), line(8), line(2), line(1), line(1, "op-3")];
    expect(await importText(server.client, second)).toMatchObject({ lines: 6, before: 3, bad: 0 });
    const { account } = await server.client.getOrCreate({ userId: "op-2" });
    expect(account!.balance).toBe(1n + 2n + 1n + 4n + 8n);
  });

  test("names the first line of a request id at the second", async () => {
    const line = (userId: string, points: number) =>
      `{"recharge":{"userId":"${userId}","points":${points},"requestId":"order-7"}}`;
    const lines = [line("op-4", 1), line("op-5", 1), line("op-4", 1), line("op-4", 2)];
    const { lines: all, before, bad, why } = await importText(server.client, lines);
    expect({ all, before, bad }).toEqual({ all: 4, before: 0, bad: 2 });
    const said = "requestId order-7 of op-4 is on line 1 already";
    expect(why).toEqual([`3: ${said}`, `4: ${said}`]);
  });

  test("refuses values that protobuf's JSON would read as others", async () => {
    await server.client.recharge({ userId: "op-6", points: 1n });
    const { why } = await importText(server.client, [
      '{"refund":{"userId":"op-6","sequence":9007199254740993}}',
      '{"recharge":{"userId":"op-1","points":1e3}}',
      '{"recharge":{"userId":9007199254740993,"points":1}}',
      '{"recharge":{"userId":"op-1","points":1,"points":2}}',
      '{"recharge":{"userId":"op-1","points":"0x10"}}',
      '{"recharge":{"userId":"op-1","points":" 12 "}}',
      '{"recharge":{"userId":"op-1","points":1,"priority":"1e1"}}',
      '{"recharge":{"userId":"op-1","points":1,"expireTime":"2030-02-31T00:00:00Z"}}',
      '{"recharge":{"userId":"op-1","points":1,"ttl":"60s5"}}',
      '{"recharge":{"userId":"op-1","points":1,"ttl":"1.0000000001s"}}',
      '{"consume":{"userId":"op-1","usage":{"service":"tts","quantity":"0b11"}}}',
      '{"recharge":{"userId":"op-1","points":1,"tttl":"60s"}}',
    ]);
    expect(why).toEqual([
      expect.stringMatching(/^1: .*9007199254740993.*\(ENTRY_NOT_FOUND\)$/),
      "2: points 1e3 is not written in digits alone",
      expect.stringMatching(/^3: .*user_id from JSON: expected string/),
      "4: points is there twice",
      '5: points "0x10" is not written as protobuf\'s JSON is',
      '6: points " 12 " is not written as protobuf\'s JSON is',
      '7: priority "1e1" is not written as protobuf\'s JSON is',
      '8: expireTime "2030-02-31T00:00:00Z" is no day or time that there is',
      '9: ttl "60s5" is not written as protobuf\'s JSON is',
      '10: ttl "1.0000000001s" is not written as protobuf\'s JSON is',
      '11: quantity "0b11" is not written as protobuf\'s JSON is',
      expect.stringMatching(/^12: .*"tttl" is unknown/),
    ]);
  });

  test("goes on if the server is full, or if a batch is too large for it", async () => {
    const small = await testServer({ QUEUE_MAX_OPS: "20", MESSAGE_MAX_BYTES: "4096" });
    onTestFinished(() => small.stop());
    const lines = Array.from({ length: 420 }, (_, index) => {
      const [userId, points] = [`u${index % 7}`, "10"];
      return JSON.stringify(
        index < 210 ? { recharge: { userId, points } } : { consume: { userId, points } },
      );
    });
    const file = await fileOf("many.ndjson", lines.join("\n"));
    expect(await runAt(small, "import", file)).toMatchObject({
      code: 0,
      stderr: "",
      stdout: expect.stringMatching(/^420 lines, .*: 420 imported, 0 bad\n$/),
    });
    const all = await figures(small);
    expect(all.map(([, balance]) => Number(balance)).reduce((a, b) => a + b)).toBe(0);
  });
});

describe("exporting, and importing what was exported", () => {
  test("gives equal figures, lots and holds", async () => {
    const [from, to] = [await testServer(), await testServer()];
    onTestFinished(async () => void (await Promise.all([from.stop(), to.stop()])));
    await live(from);
    const file = join(await temporaryFolder(), "entries.ndjson");
    const exported = await runPoints({ DATABASE_URL: from.database.url }, ["export", file]).exit;
    expect(exported).toMatchObject({ code: 0, stdout: "" });
    const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
    const { entries } = await auditDatabase(from.database.url);
    expect(lines).toHaveLength(entries);

    expect(await runAt(to, "import", file)).toMatchObject({ code: 0, stderr: "" });
    await expire(from, to);
    expect(await figures(to)).toEqual(await figures(from));
    expect(await lotsOf(to)).toEqual(await lotsOf(from));
    expect(await holds(to)).toEqual(await holds(from));
    expect((await holds(to)).length).toBeGreaterThan(5);

    const again = await runAt(to, "import", file);
    expect(again.stdout).toContain(`${entries.toLocaleString("en")} of them before, 0 bad`);
    expect(await figures(to)).toEqual(await figures(from));
    await auditDatabase(to.database.url);
  });

  test("is finished by a repeat, wherever it was stopped", async () => {
    const [from, to] = [await testServer(), await testServer()];
    onTestFinished(async () => void (await Promise.all([from.stop(), to.stop()])));
    const [userId, expiration] = ["life", { case: "ttl", value: { seconds: 90_000n } }] as const;
    const cost = (value: bigint) => ({ case: "points", value }) as const;
    await from.client.recharge({ userId, points: 10n, expiration });
    await from.client.recharge({ userId, points: 20n, priority: 7 });
    const { entry } = await from.client.consume({ userId, cost: cost(9n) });
    await from.client.refund({ userId, sequence: entry!.sequence, points: 5n });
    await from.client.expire({ userId, target: cost(3n) });
    await from.client.freeze({ userId, cost: cost(8n), expiration });
    await from.client.freeze({ userId, cost: cost(2n), expiration });

    const [exported, life] = [await exportOf(from), await lifeOf(from, userId)];
    let calls = 0;
    for (let isStopped = true; isStopped; calls++) {
      const text = exported.replaceAll('"userId":"life"', `"userId":"life-${calls}"`);
      isStopped = await isRefused(importText(stoppedAfter(calls, to), text));
      expect(await importText(to.client, text)).toMatchObject({ lines: 7, bad: 0 });
      expect(await lifeOf(to, `life-${calls}`)).toEqual(life);
    }
    expect(calls).toBeGreaterThan(7);
    await auditDatabase(to.database.url);
  });

  test("brings debt along", async () => {
    const [from, to] = [await testServer(), await testServer()];
    onTestFinished(async () => void (await Promise.all([from.stop(), to.stop()])));
    const userId = "debtor";
    const cost = (value: bigint) => ({ case: "points", value }) as const;
    const owing = { userId, onShortfall: Shortfall.OWE };
    await from.client.putPolicy({ userId, policy: creditLine(100n) });
    await from.client.recharge({ userId, points: 30n });
    await from.client.freeze({ userId, cost: cost(4n) });
    await from.client.recharge({ userId, points: 9n, services: ["tts"] });
    const { entry } = await from.client.consume({ ...owing, cost: cost(36n) });
    await from.client.refund({ userId, sequence: entry!.sequence, points: 3n });
    await from.client.consume({ ...owing, cost: cost(43n) });
    const life = await lifeOf(from, userId);
    const figuresOfLife = ["9", "4", "39", "79", "0", "3", "50", "0"];
    expect(life).toEqual([[figuresOfLife], [[0, null, "9"]], [["4", expect.any(Date)]]]);

    const exported = await exportOf(from);
    for (let times = 0; times < 2; times += 1) {
      expect(await importText(to.client, exported)).toMatchObject({ lines: 7, bad: 0 });
      expect(await lifeOf(to, userId)).toEqual(life);
    }
    // The import needed a credit line of its own, and ended it.
    const { policies } = await to.client.listPolicies({ userId });
    expect(policies).toMatchObject([{ policy: creditLine(100n) }]);
    await auditDatabase(to.database.url);
  });

  test("brings revocations along, refunded ones and those that made debt", async () => {
    const [from, to] = [await testServer(), await testServer()];
    onTestFinished(async () => void (await Promise.all([from.stop(), to.stop()])));
    const cost = (value: bigint) => ({ case: "points", value }) as const;
    const lot = (value: bigint) => ({ case: "lot", value }) as const;
    const onShortfall = Shortfall.OWE;
    const { client } = from;

    const spent = { userId: "charged-back", onShortfall };
    await client.recharge({ ...spent, points: 100n });
    await client.recharge({ ...spent, points: 9n, services: ["tts"] });
    await client.consume({ ...spent, cost: cost(70n) });
    await client.revoke({ ...spent, target: lot(1n) });
    await client.putPolicy({ userId: spent.userId, policy: creditLine(100n) });
    await client.consume({ ...spent, cost: cost(20n) });
    const expired = { userId: "expired", onShortfall };
    await client.recharge({ ...expired, points: 200n });
    await client.recharge({ ...expired, points: 9n, services: ["tts"] });
    await client.expire({ ...expired, target: cost(160n) });
    await client.revoke({ ...expired, target: lot(1n) });
    await client.revoke({ ...expired, target: lot(2n) });
    const reinstated = { userId: "reinstated" };
    await client.recharge({ ...reinstated, points: 10n });
    const { entry } = await client.revoke({ ...reinstated, target: cost(10n) });
    await client.refund({ ...reinstated, sequence: entry!.sequence });

    const exported = await exportOf(from);
    for (let times = 0; times < 2; times += 1) {
      expect(await importText(to.client, exported)).toMatchObject({ lines: 14, why: [] });
      expect(await figures(to)).toEqual(await figures(from));
      expect(await lotsOf(to)).toEqual(await lotsOf(from));
    }
    expect(await figures(to)).toMatchObject([
      ["charged-back", "9", "0", "109", "90", "0", "0", "90", "100"],
      // More than the credit line.
      ["expired", "0", "0", "209", "0", "160", "0", "160", "209"],
      ["reinstated", "10", "0", "10", "0", "0", "10", "0", "10"],
    ]);
    await auditDatabase(to.database.url);
  });

  test("names the account whose entries don't follow from each other", async () => {
    const { client, database } = await testServer().then((one) => {
      onTestFinished(() => one.stop());
      return one;
    });
    for (const userId of ["a", "b"]) {
      for (const points of [1n, 2n, 3n]) await client.recharge({ userId, points });
    }
    const { stdout } = await runPoints({ DATABASE_URL: database.url }, ["export"]).exit;
    const lines = stdout.split("\n").filter((_, index) => index !== 1);
    const changed = lines.join("\n").replace('"points":"2"', '"points":"1"');
    const file = await fileOf("gap.ndjson", changed);
    const { stderr } = await runAt(server, "import", file);
    expect(stderr.split("\n").toSorted()).toEqual(
      [
        "",
        `${file}:2: entry 2 of a is missing: so 2 lines are bad`,
        `${file}:4: entry 2 of b moves 1 points, its allocations 2: so 3 lines are bad`,
      ].toSorted(),
    );
  });

  test("imports an account once, and changes none that has other entries", async () => {
    const [from, to] = [await testServer(), await testServer()];
    onTestFinished(async () => void (await Promise.all([from.stop(), to.stop()])));
    const cost = { case: "points", value: 4n } as const;
    for (const [userId, points] of [
      ["a", 9n],
      ["b", 5n],
      ["c", 5n],
    ] as const) {
      for (const one of [from, to]) await one.client.recharge({ userId, points });
    }
    await from.client.freeze({ userId: "a", cost });
    const held = await exportOf(from);
    await from.client.freeze({ userId: "a", cost });
    const more = await exportOf(from);

    const other = await testServer();
    onTestFinished(() => other.stop());
    const twice = await importText(other.client, held + held);
    expect(twice).toMatchObject({ lines: 8, before: 0, bad: 4 });
    expect(twice.why).toEqual([
      "5: the first entry of a is on line 1 already: so 2 lines are bad",
      "7: the first entry of b is on line 3 already",
      "8: the first entry of c is on line 4 already",
    ]);
    const before = [await figures(other), await holds(other)];
    expect(await importText(other.client, held)).toMatchObject({ lines: 4, before: 4, bad: 0 });
    expect(await importText(other.client, more)).toMatchObject({
      bad: 3,
      why: [
        "1: an import of a was made or begun before, and of something else: nothing was changed: " +
          "so 3 lines are bad",
      ],
    });
    expect([await figures(other), await holds(other)]).toEqual(before);

    const own = [await figures(to), await holds(to)];
    expect((await importText(to.client, held)).why).toEqual([
      "1: a has entries already, and not by an import: nothing was changed: so 2 lines are bad",
      "3: b has entries already, and not by an import: nothing was changed",
      "4: c has entries already, and not by an import: nothing was changed",
    ]);
    expect([await figures(to), await holds(to)]).toEqual(own);
  });
});

test("the command line names the file that it cannot read or write", async () => {
  expect(await runAt(server, "import")).toMatchObject({ code: 2 });
  expect(await runAt(server, "import", "/nowhere.csv")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^points: cannot read \/nowhere.csv: ENOENT/),
  });
  expect(await runAt(server, "import", ".")).toMatchObject({
    code: 1,
    stderr: "points: cannot read .: it is a folder\n",
  });
  const DATABASE_URL = server.database.url;
  const exported = await runPoints({ DATABASE_URL }, ["export", "/nowhere/entries.ndjson"]).exit;
  expect(exported).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(/^points: cannot write \/nowhere\/entries.ndjson: ENOENT.*\n$/),
  });
  expect(await runAt(server, "import", ".", "--format", "csv")).toMatchObject({ code: 2 });
});

/** Fills 20 accounts with all kinds of entries. Some lots and holds end a second later. */
async function live({ client }: TestServer): Promise<void> {
  const soon = { case: "ttl", value: { seconds: 1n, nanos: 0 } } as const;
  const late = { case: "ttl", value: { seconds: 90_000n, nanos: 0 } } as const;
  for (let index = 0; index < 20; index++) {
    const userId = `user-${index}`;
    const cost = (points: number) => ({ case: "points", value: BigInt(points) }) as const;
    await client.recharge({ userId, points: 200n, expiration: late, priority: index % 3 });
    // On a slow machine they expire before they are spent: the others are enough.
    await client.recharge({ userId, points: 50n, expiration: soon });
    await client.recharge({ userId, points: 30n + BigInt(index), priority: 5 });
    const spent = await client.consume({ userId, cost: cost(60 + index) });
    if (index % 2 === 0) await client.refund({ userId, sequence: spent.entry!.sequence });
    if (index % 4 === 0) {
      const sequence = (await client.consume({ userId, cost: cost(40) })).entry!.sequence;
      for (const points of [10n, 20n]) await client.refund({ userId, sequence, points });
    }
    const held = await client.freeze({ userId, cost: cost(20 + index), expiration: late });
    if (index % 3 === 0) await client.freeze({ userId, cost: cost(7), expiration: soon });
    if (index % 3 === 1) {
      await client.settle({ userId, hold: held.hold!.number, cost: cost(5) });
    }
    if (index % 5 === 0) await client.freeze({ userId, cost: cost(3) });
    if (index % 4 === 1) {
      const { number: hold } = (await client.freeze({ userId, cost: cost(12) })).hold!;
      await client.settle({ userId, hold, cost: cost(8), keepOpen: true });
      await client.extendHold({ userId, hold, more: cost(9), expiration: late });
      // Of some all is spent, and they stay open.
      if (index % 8 === 1) await client.settle({ userId, hold, keepOpen: true });
    }
    if (index % 6 === 0) await client.freeze({ userId, cost: { case: "usage", value: FREE } });
    await client.expire({ userId, target: { case: "points", value: 4n } });
  }
}

const FREE = { service: "caption" };

/** Waits until those lots and holds have ended, and books that. */
async function expire(...servers: TestServer[]): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  for (const { client, database } of servers) {
    for (const { user_id: userId } of await database.query("select user_id from points.account")) {
      await client.expire({ userId: userId as string, target: { case: "due", value: true } });
    }
  }
}

/** Figures, lots and holds of one account, without its name and their numbers. */
async function lifeOf(at: TestServer, userId: string): Promise<unknown> {
  const all = [await figures(at), await lotsOf(at), await holds(at)] as object[][];
  const own = all.map((rows) => rows.map((row) => Object.values(row) as unknown[]));
  return own.map((rows) => rows.filter(([user]) => user === userId).map((row) => row.slice(1)));
}

async function exportOf({ database }: TestServer): Promise<string> {
  return (await runPoints({ DATABASE_URL: database.url }, ["export"]).exit).stdout;
}

async function figures({ database }: TestServer): Promise<unknown[][]> {
  const rows = await database.query(`
    select user_id, balance, frozen, total_recharged, total_consumed, total_expired, total_refunded,
      debt, total_revoked
    from points.account where user_id !~ '^op-' order by user_id`);
  return rows.map((row) => Object.values(row));
}

/** The points that lots of equal priority and expiry have left. */
async function lotsOf({ database }: TestServer): Promise<unknown[]> {
  return database.query(`
    select user_id, priority, expire_time, sum(remaining) as remaining from points.open_lot
    where remaining > 0 group by 1, 2, 3 order by 1, 2, 3`);
}

async function holds({ database }: TestServer): Promise<unknown[]> {
  return database.query(`
    select user_id, points - settled as points, expire_time from points.hold
    where status = 'open' and points > settled order by 1, 3, 2`);
}
