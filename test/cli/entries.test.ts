import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SCOPES } from "../../src/auth/caller.ts";
import { clientWith, tokenOf, writeCallers } from "../support/callers.ts";
import { runPoints, until } from "../support/processes.ts";
import { points as cost } from "../support/requests.ts";
import { makeFolder } from "../support/run-folder.ts";
import { entryOf, scriptedLedger } from "../support/scripted-ledger.ts";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  const callers = {
    ops: { scopes: [...SCOPES] },
    eu: { scopes: ["points.audit"], prefix: "eu-", maxPoints: 7 },
    shop: { scopes: ["points.spend"] },
  };
  server = await testServer(await writeCallers(await makeFolder("callers"), callers));
  const ops = clientWith(server.baseUrl, tokenOf("ops"));
  await ops.recharge({ userId: "eu-ada", points: 100n });
  await ops.recharge({ userId: "us-bob", points: 20n });
  await ops.consume({ userId: "eu-ada", cost: cost(30n), metadata: { for: "script" } });
});
afterAll(() => server.stop());

function pointsAs(caller: string, ...args: string[]) {
  const environment = { POINTS_URL: server.baseUrl, POINTS_TOKEN: tokenOf(caller) };
  return runPoints(environment, args).exit;
}

describe("points whoami", () => {
  test("shows the ledger, and what a caller may do", async () => {
    const { code, stdout } = await pointsAs("eu", "whoami");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ledger +[0-9a-f-]{36}\nepoch +1\nsoftware +0\.1\.0\nschema +\d+\n/m);
    expect(stdout).toMatch(/^shard 0 +slots 0 to 1023\ncaller +eu\nscopes +points.audit\n/m);
    expect(stdout).toMatch(/^users +eu-…\npoints at once +at most 7\n$/m);
    const json = JSON.parse((await pointsAs("shop", "whoami", "--json")).stdout) as unknown;
    expect(json).toMatchObject({
      caller: { name: "shop", scopes: ["points.spend"], userIdPrefix: "", maxPoints: "0" },
    });
  });
});

describe("points entries", () => {
  test("shows the entries of all accounts, and ends", async () => {
    const all = await pointsAs("ops", "entries");
    expect(all.stdout.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "TIME".padEnd(19))).toBe(`\
user    #  time (UTC)           what      for     member  actor  points  balance  frozen  lots
──────  ─  ───────────────────  ────────  ──────  ──────  ─────  ──────  ───────  ──────  ─────────
eu-ada  1  TIME                 recharge                           +100      100       0  100 of #1
us-bob  1  TIME                 recharge                            +20       20       0  20 of #1
eu-ada  2  TIME                 consume   script                    -30       70       0  30 of #1
`);
    expect(all.code).toBe(0);
    expect(all.stderr).toMatch(/^cursor \S+\n$/);
    const none = await pointsAs("ops", "entries", "--cursor", all.stderr.trim().split(" ")[1]!);
    expect(none).toMatchObject({ code: 0, stdout: "" });
    expect(none.stderr).toMatch(/^cursor \S+\n$/);
  });

  test("of some kinds or users, as lines of JSON with their places", async () => {
    const kinds = await pointsAs("ops", "entries", "--json", "--kind=consume", "--kind=refund");
    const [line, ...others] = kinds.stdout.trim().split("\n");
    expect(others).toEqual([]);
    expect(JSON.parse(line!)).toMatchObject({
      entry: { userId: "eu-ada", sequence: "2", kind: "ENTRY_KIND_CONSUME", frozenAfter: "0" },
      epoch: "1",
      feed: expect.stringMatching(/^\d+$/) as unknown,
    });
    expect((await pointsAs("ops", "entries", "us-")).stdout).toMatch(/^user.*\n─.*\nus-bob .*\n$/);
    const own = (await pointsAs("eu", "entries")).stdout;
    expect(own.match(/^eu-ada /gm)).toHaveLength(2);
    expect(own).not.toContain("us-bob");
  });

  test("what is refused or wrong is said in a sentence", async () => {
    const cursor = await pointsAs("ops", "entries", "--cursor", "mine");
    expect(cursor).toMatchObject({ code: 1, stdout: "" });
    expect(cursor.stderr).toMatch(/^points: .*\(CURSOR_INVALID.*\)\n$/);
    const scope = await pointsAs("shop", "entries");
    expect(scope).toMatchObject({ code: 1, stdout: "" });
    expect(scope.stderr).toMatch(/^points: .*\(PERMISSION_DENIED, scope points.audit\)\n$/);
    const kind = await pointsAs("ops", "entries", "--kind", "gift");
    expect(kind).toMatchObject({ code: 2, stdout: "" });
    expect(kind.stderr).toContain("--kind takes one of recharge, consume, ");
  });

  test("--follow goes on with what comes, over a broken line and another epoch", async () => {
    const ledger = await scriptedLedger();
    ledger.push({ entries: [entryOf("old", 1)] });
    const follower = runPoints({ POINTS_URL: ledger.baseUrl }, ["entries", "--follow"]);
    await until("it reads the stream", () => ledger.requests.length === 1);
    ledger.push({ entries: [entryOf("ada", 1)] });
    await until("it shows an entry", () => follower.stdout().includes("ada"));
    ledger.cut();
    const change = { endedEpoch: 1n, epoch: 2n, doubtedFromFeed: 2n };
    ledger.push({ epoch: 2n, epochChange: { ...change, beginTime: { seconds: 1_800_000_000n } } });
    ledger.push({ epoch: 2n, entries: [entryOf("a-longer-name", 1_000)] });
    await until("it shows the last entry", () => follower.stdout().includes("a-longer-name"));
    const { code, stderr } = await follower.end("SIGINT");
    expect(code).toBe(0);
    expect(stderr).toMatch(/^the server is away \(.*\); asking again\ncursor 4\n$/);
    expect(follower.stdout().replaceAll(/ +/g, " ").replaceAll(/─+/g, "─")).toBe(`\
user # time (UTC) what for member actor points balance frozen lots
─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─
ada 1 2027-01-15 08:00:00 consume 配音 🎧 -5 0 0
─ epoch 1 ended: epoch 2 began at 2027-01-15 08:00:00; what came from feed number 2 on may be lost, and what is left follows ─
a-longer-name 1000 2027-01-15 08:00:01 consume 配音 🎧 -5 0 0
`);
  });

  test("without --follow a broken line is an error, which says how far it came", async () => {
    const ledger = await scriptedLedger();
    ledger.push({ entries: [entryOf("ada", 1)] });
    const reader = runPoints({ POINTS_URL: ledger.baseUrl }, ["entries", "--json"]);
    await until("it shows an entry", () => reader.stdout().includes("ada"));
    ledger.cut();
    const { code, stderr } = await reader.exit;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^cursor 1\npoints: .*\n$/);
  });
});
