import { Shortfall } from "../../gen/points/v1/points_pb.ts";
import { createServer as createHttpServer } from "node:http";
import { createServer, type AddressInfo, type Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { MIGRATIONS } from "../../src/store/schema/migrations/list.ts";
import { testDatabase } from "../support/database.ts";
import { makeLotsEditable } from "../support/editable-lots.ts";
import { clientsOf } from "../support/load.ts";
import { runPoints, startPoints, temporaryFolder } from "../support/processes.ts";
import { creditLine } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";

describe("at a running server", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await testServer();
  });
  afterAll(() => server.stop());

  const points = (...args: string[]) => runPoints({ POINTS_URL: server.baseUrl }, args).exit;

  test("points are recharged, consumed and shown", async () => {
    const bought = await points("recharge", "ada", "100", "--ttl", "30d", "--priority", "2");
    expect(bought).toMatchObject({ code: 0, stderr: "" });
    expect(timeless(bought.stdout)).toBe(`\
#  time (UTC)           what      for  points  balance  frozen  lots
─  ───────────────────  ────────  ───  ──────  ───────  ──────  ─────────
1  TIME                 recharge         +100      100       0  100 of #1

balance 100
`);
    expect((await points("recharge", "ada", "20")).stdout).toContain("\nbalance 120\n");
    const speech = await points("consume", "ada", "--service", "tts", "--duration", "37s");
    expect(speech.stdout).toContain("\nbalance 83\n");
    await server.client.consume({
      userId: "ada",
      cost: { case: "points", value: 4n },
      metadata: { for: "配音 🎧" },
    });
    await server.client.freeze({ userId: "ada", cost: { case: "points", value: 10n } });

    expect(timeless((await points("account", "ada")).stdout)).toBe(`\
ada        points
─────────  ──────
balance        69
frozen         10
recharged     120
consumed       41
expired         0
revoked         0
refunded        0
debt            0
entries         5

69 of the balance expire at TIME                (UTC)

lot  remaining  frozen   of  priority  expires (UTC)        category  for
───  ─────────  ──────  ───  ────────  ───────────────────  ────────  ────────
#1          69      10  100         2  TIME                           anything

hold  left  of  expires (UTC)        lots
────  ────  ──  ───────────────────  ────────
#5      10  10  TIME                 10 of #1
`);
    expect(timeless((await points("statement", "ada")).stdout)).toBe(`\
#  time (UTC)           what      for      points  balance  frozen  lots
─  ───────────────────  ────────  ───────  ──────  ───────  ──────  ──────────────────
1  TIME                 recharge             +100      100       0  100 of #1
2  TIME                 recharge              +20      120       0  20 of #2
3  TIME                 consume   tts         -37       83       0  20 of #2, 17 of #1
4  TIME                 consume   配音 🎧      -4       79       0  4 of #1
5  TIME                 freeze                -10       69      10  10 of #1
`);
    const last = await points("statement", "ada", "--limit=2");
    expect(last.stdout).toMatch(/^#.*\n─.*\n4 .*\n5 .*\n\nThere are more before these/);
  });

  test("an entry is found by its number and by its request id", async () => {
    await points("recharge", "gus", "9");
    await points("consume", "gus", "4", "--request-id", "job-1");
    await server.client.refund({ userId: "gus", sequence: 2n, points: 1n });
    const found = await points("entry", "gus", "--request-id", "job-1");
    expect(timeless(found.stdout).replace(/hash \S{44}/, "HASH")).toBe(`\
#  time (UTC)           what     for  points  balance  frozen  lots
─  ───────────────────  ───────  ───  ──────  ───────  ──────  ───────
2  TIME                 consume           -4        5       0  4 of #1

1 points were refunded since.

About it: #3

HASH
`);
    expect((await points("entry", "gus", "2")).stdout).toBe(found.stdout);
    const json = JSON.parse((await points("entry", "gus", "2", "--json")).stdout) as unknown;
    expect(json).toMatchObject({ refunded: "1", referringEntries: ["3"] });
    const never = await points("entry", "gus", "--request-id", "job-2");
    expect(never.stderr).toContain("(ENTRY_NOT_FOUND, request_id job-2)");
    expect(await points("entry", "gus")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("NUMBER is missing, or --request-id"),
    });
  });

  test("a chargeback is shown with what is claimed, and with what ends a claim", async () => {
    const { client } = server;
    const userId = "ina";
    await points("recharge", userId, "50");
    await points("consume", userId, "20");
    const lot = { case: "lot", value: 1n } as const;
    await client.revoke({ userId, target: lot, onShortfall: Shortfall.TAKE });
    await client.refund({ userId, sequence: 2n, points: 5n });
    await client.refund({ userId, sequence: 3n, points: 10n });
    expect(timeless((await points("statement", userId)).stdout)).toContain(`
3  TIME                 revoke #1                    -30        0       0  30 of #1; 20 claimed
4  TIME                 refund #2                     +5        5       0  5 of #1
5  TIME                 revoke #1 (claimed)           -5        0       0  5 of #1
6  TIME                 refund #3                      0        0       0  10 no longer claimed
`);
    const { stdout } = await points("account", userId);
    expect(stdout).toMatch(/^#1 +0 +0 +50 +0 +never +anything +50 +5$/m);
    expect((await points("entry", userId, "1")).stdout).toContain(
      "50 points of its lot were revoked, 5 of them are claimed.",
    );
  });

  test("a hold is shown with what it still has, and its parts in the statement", async () => {
    const { client } = server;
    await points("recharge", "hal", "90");
    await client.freeze({ userId: "hal", cost: { case: "points", value: 20n } });
    const cost = { case: "points", value: 15n } as const;
    await client.settle({ userId: "hal", hold: 2n, cost, keepOpen: true });
    await client.extendHold({ userId: "hal", hold: 2n, more: cost });
    expect(timeless((await points("account", "hal")).stdout)).toContain(`
hold  left  of  expires (UTC)        lots
────  ────  ──  ───────────────────  ────────
#2      20  35  TIME                 20 of #1
`);
    expect(timeless((await points("statement", "hal")).stdout)).toBe(`\
#  time (UTC)           what       for  points  balance  frozen  lots
─  ───────────────────  ─────────  ───  ──────  ───────  ──────  ────────────────────
1  TIME                 recharge           +90       90       0  90 of #1
2  TIME                 freeze             -20       70      20  20 of #1
3  TIME                 settle #2           15       70       5  15 of #1; stays open
4  TIME                 extend #2          -15       55      20  15 of #1
`);
  });

  test("an account is shown as it was", async () => {
    const { entry } = await server.client.recharge({ userId: "fay", points: 7n });
    await points("consume", "fay", "4");
    const { seconds, nanos } = entry!.createTime!;
    const text = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
    const instant = `${text}.${String(nanos / 1000).padStart(6, "0")}Z`;
    const then = await points("account", "fay", "--as-of", instant);
    expect(then).toMatchObject({ code: 0, stderr: "" });
    expect(then.stdout).toMatch(/^balance +7\n/m);
    expect(then.stdout).not.toContain("lot ");
    expect(await points("account", "fay", "--as-of", "yesterday")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--as-of"),
    });
    const before = await points("account", "fay", "--as-of", "2020-01-01T00:00:00Z");
    expect(before.stderr).toContain("ACCOUNT_NOT_FOUND");
    const after = await points("account", "fay", "--as-of", "2999-01-01T00:00:00Z");
    expect(after.stderr).toContain("FIELD_INVALID");
  });

  test("the table has a column of actors once an entry has one", async () => {
    await points("recharge", "eve", "9");
    const spent = await points("consume", "eve", "4", "--actor", "support: Ana");
    expect(timeless(spent.stdout)).toBe(`\
#  time (UTC)           what     for  actor         points  balance  frozen  lots
─  ───────────────────  ───────  ───  ────────────  ──────  ───────  ──────  ───────
2  TIME                 consume       support: Ana      -4        5       0  4 of #1

balance 5
`);
    const tried = await points("consume", "eve", "5", "--validate-only");
    expect(tried).toMatchObject({ code: 0, stderr: "" });
    expect(tried.stdout).toContain("So it would be now. Nothing was changed.\nbalance 0\n");
    const found = await points("statement", "eve", "--actor", "support: Ana");
    expect(found.stdout).toMatch(/^ *#.*\n─.*\n2 .*\n$/);
    const none = await points("statement", "eve", "--service", "tts");
    expect(none.stdout).toBe("eve has no such entries\n");
  });

  test("the table has a column of members once an entry has one", async () => {
    await points("recharge", "duo", "10");
    const spent = await points("consume", "duo", "4", "--member", "bea");
    expect(timeless(spent.stdout)).toBe(`\
#  time (UTC)           what     for  member  points  balance  frozen  lots
─  ───────────────────  ───────  ───  ──────  ──────  ───────  ──────  ───────
2  TIME                 consume       bea         -4        6       0  4 of #1

balance 6
`);
    await points("consume", "duo", "1");
    const found = await points("statement", "duo", "--member", "bea");
    expect(found.stdout).toMatch(/^ *#.*\n─.*\n2 .*\n$/);
    const none = await points("statement", "duo", "--member", "eve");
    expect(none.stdout).toBe("duo has no such entries\n");
  });

  test("a statement says what of a charge was owed, repaid or not covered", async () => {
    await points("recharge", "ivy", "9");
    await server.client.putPolicy({ userId: "ivy", policy: creditLine(3n) });
    const owed = await points("consume", "ivy", "12", "--on-shortfall", "owe");
    expect(owed.stdout).toContain("\nbalance 0, debt 3\n");
    await points("recharge", "ivy", "8");
    const taken = await points("consume", "ivy", "7", "--on-shortfall", "take");
    expect(taken.stdout).toContain("\nbalance 0\n");
    expect(timeless((await points("statement", "ivy")).stdout)).toBe(`\
#  time (UTC)           what        for  points  balance  frozen  lots
─  ───────────────────  ──────────  ───  ──────  ───────  ──────  ──────────────────────
1  TIME                 recharge             +9        9       0  9 of #1
2  TIME                 set policy            0        9       0  credit: may owe 3
3  TIME                 consume             -12        0       0  9 of #1; 3 owed
4  TIME                 recharge             +8        5       0  5 of #4; 3 repaid debt
5  TIME                 consume              -5        0       0  5 of #4; 2 not covered
`);
  });

  test("the answer to a repeat says so", async () => {
    const args = ["recharge", "bob", "5", "--request-id", "order-1"];
    await points(...args);
    const again = await points(...args);
    expect(again.stdout).toContain("answered before, and nothing was changed.\nbalance 5\n");
    const other = await points("recharge", "bob", "6", "--request-id", "order-1");
    expect(other).toMatchObject({ code: 1, stdout: "" });
    expect(other.stderr).toMatch(/^points: .*\(REQUEST_ID_REUSED, request_id order-1, .*\)\n$/);
  });

  test("--json prints protobuf's JSON, zeros and all", async () => {
    const json = async (...args: string[]) => {
      return JSON.parse((await points(...args, "--json")).stdout) as unknown;
    };
    const made = await json("recharge", "cleo", "5", "--ttl=3600500ms");
    const account = { userId: "cleo", balance: "5", frozen: "0" };
    expect(made).toMatchObject({ entry: { sequence: "1" }, account, replayed: false });
    const spent = await json("consume", "cleo", "--service", "title");
    expect(spent).toMatchObject({ entry: { kind: "ENTRY_KIND_CONSUME", points: "1" } });
    const details = ["--meter", "words=3", "--meter", "pauses=0", "--attribute", "plan=vip"];
    const detailed = await json("consume", "cleo", "--service", "caption", ...details);
    expect(detailed).toMatchObject({
      entry: { usage: { meters: { words: "3", pauses: "0" }, attributes: { plan: "vip" } } },
    });
    const shown = await json("account", "cleo");
    expect(shown).toMatchObject({
      account: { balance: "4" },
      lots: [{ number: "1", remaining: "4" }],
      holds: [],
    });
    const statement = await json("statement", "cleo", "--limit", "1");
    expect(statement).toMatchObject({ entries: [{ sequence: "3" }] });
    expect(statement).toHaveProperty("nextPageToken", expect.stringMatching(/./));
  });

  test("a refusal is printed as a sentence with its reason and numbers", async () => {
    await points("recharge", "dan", "5");
    expect(await points("consume", "dan", "200")).toMatchObject({
      code: 1,
      stdout: "",
      stderr:
        "points: 200 points are required, the balance is 5 " +
        "(INSUFFICIENT_POINTS, balance 5, usable 5, required 200, shortfall 195)\n",
    });
    const free = await points("consume", "dan", "--service", "nothing");
    expect(free.stderr).toMatch(/^points: .*nothing.* \(SERVICE_NOT_PRICED, service nothing\)\n$/);
    const bad = await points("consume", "a b", "1");
    expect(bad.stderr).toMatch(/^points: user_id .*\(FIELD_INVALID\)\n$/);
  });

  test("account creates no account", async () => {
    for (const command of ["account", "statement"]) {
      expect(await points(command, "nobody")).toMatchObject({
        code: 1,
        stdout: "",
        stderr: "points: user nobody has no account (ACCOUNT_NOT_FOUND, user_id nobody)\n",
      });
    }
    await server.client.getOrCreate({ userId: "empty" });
    expect((await points("statement", "empty")).stdout).toBe("empty has no entries\n");
    expect((await points("account", "empty")).stdout).toContain("balance         0\n");
  });
});

describe("without a server", () => {
  test("the error names the address", async () => {
    const closed = createServer();
    const baseUrl = await addressOf(closed);
    await new Promise((done) => closed.close(done));
    const says = `points: there is no server at ${baseUrl}: start one by "npm start"`;
    const byOption = await runPoints({}, ["account", "ada", "--server", `${baseUrl}/`]).exit;
    expect(byOption).toMatchObject({ code: 1, stdout: "" });
    expect(byOption.stderr).toMatch(new RegExp(`^${says}, .*\n$`));
  });

  test("the error says that something else answers at the address", async () => {
    const other = createHttpServer((_, response) => response.end("hello"));
    const POINTS_URL = await addressOf(other);
    onTestFinished(() => void other.close());
    const { code, stdout, stderr } = await runPoints({ POINTS_URL }, ["account", "ada"]).exit;
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(new RegExp(`^points: the.* server at ${POINTS_URL}.*\n$`));
    // Nothing can have been done by a read.
    expect(stderr).not.toContain("--request-id");
    const spent = await runPoints({ POINTS_URL }, ["consume", "ada", "1"]).exit;
    expect(spent.stderr).toContain("the same --request-id finds out");
  });
});

describe("points verify and points sweep", () => {
  test("work on the database of DATABASE_URL, beside its server", async () => {
    const server = await testServer({ SWEEP_SECONDS: "86400" });
    onTestFinished(() => server.stop());
    const { url: DATABASE_URL, query } = server.database;
    const points = (...args: string[]) => runPoints({ DATABASE_URL }, args).exit;
    const ttl = { case: "ttl", value: { seconds: 0n, nanos: 1_000_000 } } as const;
    for (const userId of ["ada", "bob"]) {
      await server.client.recharge({ userId, points: 5n });
      await server.client.recharge({ userId, points: 7n, expiration: ttl });
    }
    await sleep(10);
    const swept = await points("sweep");
    expect(swept).toMatchObject({ code: 0, stdout: "booked what was due on 2 accounts\n" });
    expect(await points("sweep")).toMatchObject({ code: 0, stdout: "nothing was due\n" });

    const verified = await points("verify");
    expect(verified).toMatchObject({ code: 0, stderr: "" });
    const epoch = String.raw`epoch 1, since \d{4}-\d\d-\d\dT[\d:.]{15}Z: `;
    expect(verified.stdout).toMatch(
      new RegExp(`^${epoch}6 entries\n2 accounts, 6 entries: all in order\n$`),
    );
    await makeLotsEditable({ query });
    await query("update edit.lot set remaining = 4 where user_id = 'bob' and number = 1");
    expect(await points("verify")).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        new RegExp(
          "^bob: entry 1: its lot has 4 remaining and 0 frozen, the entries leave 5 and 0\n" +
            `${epoch}6 entries\n2 accounts, 6 entries: 1 wrong\n$`,
        ),
      ) as unknown,
      stderr: "",
    });
    const one = await points("verify", "ada");
    expect(one.code).toBe(0);
    expect(one.stdout).toMatch(/: 3 entries\n1 account, 3 entries: all in order\n$/);
    await query("alter table points.undone set unlogged");
    expect(await points("verify", "ada")).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        new RegExp(
          "^the schema: has unlogged table undone, which no migration makes\n" +
            `${epoch}3 entries\n1 account, 3 entries: 1 wrong\n$`,
        ),
      ) as unknown,
    });
    await query("alter table points.undone set logged");
    const none = await points("verify", "nobody");
    expect(none.stdout).toMatch(/^nobody: there is no such account\n/);
  });

  test("work beside a server with its own PostgreSQL, which goes on", async () => {
    const DATA_DIR = await temporaryFolder();
    const server = await startPoints({ DATA_DIR, SWEEP_SECONDS: "86400" });
    const [client] = clientsOf(server, 1);
    const ttl = { case: "ttl", value: { seconds: 0n, nanos: 1_000_000 } } as const;
    await client!.recharge({ userId: "ada", points: 5n, expiration: ttl });
    let isOver = false;
    const traffic = (async () => {
      while (!isOver) await client!.recharge({ userId: "bob", points: 1n });
    })();
    const verified = await runPoints({ DATA_DIR }, ["verify"]).exit;
    expect(verified).toMatchObject({ code: 0, stderr: "" });
    expect(verified.stdout).toMatch(/^epoch 1, .*\n2 accounts, [\d,]+ entries: all in order\n$/);
    const swept = await runPoints({ DATA_DIR }, ["sweep"]).exit;
    expect(swept).toMatchObject({ code: 0, stdout: "booked what was due on 1 account\n" });
    isOver = true;
    await traffic;
    expect((await server.end("SIGTERM")).code).toBe(0);

    // The server has stopped: the command starts its PostgreSQL, and stops it again.
    const alone = await runPoints({ DATA_DIR }, ["verify", "ada"]).exit;
    expect(alone.code).toBe(0);
    expect(alone.stdout).toMatch(/: 2 entries\n1 account, 2 entries: all in order\n$/);
  });

  test.each(["verify", "sweep"])("%s needs the schema, and a database", async (command) => {
    const database = await testDatabase({ empty: true });
    onTestFinished(() => database.close());
    const all = MIGRATIONS.map(({ name }) => name).join(", ");
    expect(await runPoints({ DATABASE_URL: database.url }, [command]).exit).toMatchObject({
      code: 1,
      stdout: "",
      stderr: `points: the database lacks ${all}: run "npm run migrate" first\n`,
    });
    const closed = createServer();
    const { host } = new URL(await addressOf(closed));
    await new Promise((done) => closed.close(done));
    const DATABASE_URL = `postgresql://points:hunter2@${host}/points`;
    const { code, stdout, stderr } = await runPoints({ DATABASE_URL }, [command]).exit;
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(new RegExp(`^points: cannot use the database: .*${host}.*\n$`));
    expect(stderr).not.toContain("hunter2");
  });
});

/** Starts to listen, and returns the URL. */
async function addressOf(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Replaces times by a text of the same width. */
function timeless(text: string): string {
  const padded = text.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "TIME".padEnd(19));
  return padded.replace(/ +$/gm, "");
}
