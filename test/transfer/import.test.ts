import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { auditDatabase } from "../support/audit.ts";
import { runPoints, temporaryFolder } from "../support/processes.ts";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

describe("importing accounts", () => {
  const CSV = `\
id,user_id,balance,total_recharged,total_consumed,total_expired,expire_time
1,ada,70,100,25,5,
2,bob,10,11,0,0,
3,"cleo, not",1,1,0,0,
4,dan,0,40,40,0,
5,eve,5.5,5.5,0,0,
6,fay,30,30
7,gil,2500000000000,2500000000001,1,0,2999-01-31T12:00:00Z
8,hal,0,0,0,0,
`;

  test("makes them with equal totals, and says which lines are bad and why", async () => {
    const file = await fileOf("user_point.csv", CSV);
    const { code, stdout, stderr } = await runAt(server, "import", file);
    expect(stderr.trimEnd().split("\n").toSorted()).toEqual([
      `${file}:3: total_recharged 11 is not balance 10 + total_consumed 0 + total_expired 0`,
      expect.stringMatching(/:4: user_id .* \(FIELD_INVALID\)$/),
      `${file}:6: balance "5.5" is no whole number from 0 to 9007199254740991`,
      expect.stringMatching(/:7: Invalid Record Length/),
    ]);
    expect(stdout).toMatch(/^8 lines, [\d,]+\/s: 4 imported, 4 bad\n$/);
    expect(code).toBe(1);
    expect(await figures(server)).toEqual([
      ["ada", "70", "0", "100", "25", "5", "0"],
      ["dan", "0", "0", "40", "40", "0", "0"],
      ["gil", "2500000000000", "0", "2500000000001", "1", "0", "0"],
    ]);
    const { lots } = await server.client.listLots({ userId: "gil" });
    expect(lots.map(({ remaining, expireTime }) => [remaining, expireTime])).toEqual(
      [1_000_000_000_000n, 1_000_000_000_000n, 500_000_000_000n].map((remaining) => [
        remaining,
        timestampFromMs(Date.parse("2999-01-31T12:00:00Z")),
      ]),
    );
  });

  test("changes nothing the second time, and refuses other figures for the same user", async () => {
    const file = await fileOf("again.csv", CSV);
    const before = await figures(server);
    const { stdout } = await runAt(server, "import", file);
    expect(stdout).toContain("4 imported, 3 of them before, 4 bad\n");
    const other = await fileOf("other.csv", CSV.replace("ada,70,100", "ada,71,101"));
    expect((await runAt(server, "import", other)).stderr).toMatch(/:2: .*\(REQUEST_ID_REUSED\)/);
    expect(await figures(server)).toEqual(before);
    await auditDatabase(server.database.url);
  });

  test("adds one recharge at most to an account that had entries, and says so", async () => {
    await server.client.recharge({ userId: "ivy", points: 9n });
    const line = { user_id: "ivy", balance: 1, total_recharged: 3, total_consumed: 2 };
    const file = await fileOf("ivy.ndjson", `${JSON.stringify({ ...line, total_expired: "0" })}\n`);
    expect(await runAt(server, "import", file)).toMatchObject({
      code: 1,
      stderr: `${file}:1: ivy had entries before: its import began with entry 2, and was stopped\n`,
    });
  });
});

describe("importing operations", () => {
  test("applies them in order, each once, and gives them ids where they have none", async () => {
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
      // The third found too little the first time; a refusal is not remembered.
      await server.client.consume({
        userId: "op-1",
        requestId: "rest",
        cost: { case: "points", value: 5n },
      });
    }
    const { entries } = await server.client.listEntries({ userId: "op-1" });
    expect(entries.map(({ requestId }) => requestId).toReversed()).toEqual([
      expect.stringMatching(/^import-1-.{22}$/),
      "job-1",
      expect.stringMatching(/^import-5-.{22}$/),
      "rest",
    ]);
    expect(entries.at(-1)!.metadata).toEqual(recharge.metadata);
  });

  test("goes on where the server is full, and where a batch is too large for it", async () => {
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

  test("says which account's entries don't follow from each other", async () => {
    const { client, database } = await testServer().then((one) => {
      onTestFinished(() => one.stop());
      return one;
    });
    for (const userId of ["a", "b"]) {
      for (const points of [1n, 2n, 3n]) await client.recharge({ userId, points });
    }
    const { stdout } = await runPoints({ DATABASE_URL: database.url }, ["export"]).exit;
    const lines = stdout.split("\n").filter((_, index) => index !== 1);
    const file = await fileOf("gap.ndjson", lines.join("\n").replace('"points":"2"', '"points":"1"'));
    const { stderr } = await runAt(server, "import", file);
    expect(stderr.split("\n").toSorted()).toEqual([
      "",
      `${file}:2: entry 2 of a is missing`,
      `${file}:4: entry 2 of b moves 1 points, its allocations 2`,
    ].toSorted());
  });
});

test("the command line names the file that it cannot read", async () => {
  expect(await runAt(server, "import")).toMatchObject({ code: 2 });
  expect(await runAt(server, "import", "/nowhere.csv")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^points: cannot read \/nowhere.csv: ENOENT/),
  });
  expect(await runAt(server, "import", ".", "--format", "xml")).toMatchObject({ code: 2 });
});

/** A life of 20 accounts, with all kinds of entries; some lots and holds end a second later. */
async function live({ client }: TestServer): Promise<void> {
  const soon = { case: "ttl", value: { seconds: 1n, nanos: 0 } } as const;
  const late = { case: "ttl", value: { seconds: 90_000n, nanos: 0 } } as const;
  for (let index = 0; index < 20; index++) {
    const userId = `user-${index}`;
    const cost = (points: number) => ({ case: "points", value: BigInt(points) }) as const;
    await client.recharge({ userId, points: 100n, expiration: late, priority: index % 3 });
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
    if (index % 6 === 0) await client.freeze({ userId, cost: { case: "usage", value: FREE } });
    await client.expire({ userId, target: { case: "points", value: 4n } });
  }
}

const FREE = { service: "caption" };

/** Waits until what ends soon has ended, and books it. */
async function expire(...servers: TestServer[]): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  for (const { client, database } of servers) {
    for (const { user_id: userId } of await database.query("select user_id from points.account")) {
      await client.expire({ userId: userId as string, target: { case: "due", value: true } });
    }
  }
}

async function figures({ database }: TestServer): Promise<unknown[][]> {
  const rows = await database.query(`
    select user_id, balance, frozen, total_recharged, total_consumed, total_expired, total_refunded
    from points.account where user_id !~ '^(op|ivy)' order by user_id`);
  return rows.map((row) => Object.values(row));
}

/** What there is left of the same life and priority. */
async function lotsOf({ database }: TestServer): Promise<unknown[]> {
  return database.query(`
    select user_id, priority, expire_time, sum(remaining) as remaining from points.lot
    where remaining > 0 group by 1, 2, 3 order by 1, 2, 3`);
}

async function holds({ database }: TestServer): Promise<unknown[]> {
  return database.query(`
    select user_id, points, expire_time from points.hold
    where status = 'open' and points > 0 order by 1, 3, 2`);
}

async function fileOf(name: string, text: string): Promise<string> {
  const file = join(await temporaryFolder(), name);
  await writeFile(file, text);
  return file;
}

function runAt({ baseUrl }: TestServer, ...args: string[]) {
  return runPoints({ POINTS_URL: baseUrl }, args).exit;
}
