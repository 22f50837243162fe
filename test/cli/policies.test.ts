import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runPoints } from "../support/processes.ts";
import { testServer, type TestServer } from "../support/server.ts";

describe("points policy", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await testServer();
  });
  afterAll(() => server.stop());

  const points = (...args: string[]) => runPoints({ POINTS_URL: server.baseUrl }, args).exit;
  const put = (...args: string[]) => points("policy", "put", ...args);

  const MONTHLY = [
    "--allowance",
    "100",
    "--every",
    "month",
    "--start",
    "2999-01-31T12:00:00+01:00",
  ];

  test("sets policies, which the statement shows in words", async () => {
    const set = await put("ada", "monthly", ...MONTHLY, "--time-zone", "Europe/Berlin");
    expect(set).toMatchObject({ code: 0, stderr: "" });
    expect(timeless(set.stdout)).toBe(`\
#  time (UTC)           what        for  points  balance  frozen  lots
─  ───────────────────  ──────────  ───  ──────  ───────  ──────  ${"─".repeat(66)}
1  TIME                 set policy            0        0       0  monthly: 100 every month, from TIME                (Europe/Berlin)

balance 0
`);
    await put("ada", "credit", "--credit-line", "50");
    await put("ada", "low", "--alert-below=-10");
    await put("ada", "credit", "--credit-line", "20");
    await points("policy", "delete", "ada", "credit");
    const { stdout } = await points("statement", "ada");
    expect([...stdout.matchAll(/set policy +0 +0 +0 +(.*)/g)].map(([, text]) => text)).toEqual([
      "monthly: 100 every month, from 2999-01-31 11:00:00 (Europe/Berlin)",
      "credit: may owe 50",
      "low: alert below -10",
      "credit: may owe 20",
      "credit: ended",
    ]);
  });

  test("the entry that fell below an alert's number names it", async () => {
    await points("recharge", "bob", "100");
    await put("bob", "low", "--alert-below", "60");
    await put("bob", "lower", "--alert-below", "30");
    await points("consume", "bob", "30");
    expect((await points("consume", "bob", "20")).stdout).toMatch(/ 20 of #1; alert low\n/);
    expect((await points("consume", "bob", "25")).stdout).toMatch(/ 25 of #1; alert lower\n/);
  });

  test.each<{ readonly rule: readonly string[]; readonly words: string }>([
    {
      rule: [...MONTHLY, "--every=2 weeks", "--rollover=3", "--end=3000-01-01T00:00:00Z"],
      words:
        "100 every 2 weeks, from 2999-01-31 11:00:00, until 3000-01-01 00:00:00, each for 3 periods",
    },
    {
      rule: [...MONTHLY, "--ttl=36h", "--service=tts", "--service=title"],
      words: "100 every month, from 2999-01-31 11:00:00, each for 36h, for tts, title alone",
    },
    {
      rule: [...MONTHLY, "--every=3 years", "--never"],
      words: "100 every 3 years, from 2999-01-31 11:00:00, each for ever",
    },
    { rule: ["--limit=0", "--window=total"], words: "at most 0 in all" },
    {
      rule: ["--limit=7", "--window=week", "--time-zone=America/New_York", "--each-member"],
      words: "at most 7 a week (America/New_York) by each member",
    },
    {
      rule: ["--limit=5", "--window=year", "--member=bob", "--service=video"],
      words: "at most 5 a year by bob on video",
    },
  ])("$words", async ({ rule, words }) => {
    const set = await put("cid", "one", ...rule, "--validate-only");
    expect(set).toMatchObject({ code: 0, stderr: "" });
    expect(set.stdout).toContain(` one: ${words}\n`);
    expect(set.stdout).toContain("Nothing was changed.");
  });

  test("lists policies by name, with where they stand", async () => {
    await put("eve", "monthly", ...MONTHLY);
    await put("eve", "cap", "--limit", "500", "--window", "total");
    await put("eve", "each", "--limit", "50", "--window", "day", "--each-member");
    await put("eve", "low", "--alert-below", "10");
    expect((await points("policy", "list", "eve")).stdout).toBe(`\
policy   rule                                       set by  gives next (UTC)     spent  resets (UTC)
───────  ─────────────────────────────────────────  ──────  ───────────────────  ─────  ────────────
cap      at most 500 in all                         #2                               0  never
each     at most 50 a day by each member            #3
low      alert below 10                             #4
monthly  100 every month, from 2999-01-31 11:00:00  #1      2999-01-31 11:00:00
`);
    expect(JSON.parse((await points("policy", "list", "eve", "--json")).stdout)).toMatchObject({
      policies: [
        { policy: { name: "cap", limit: { points: "500" } }, sequence: "2", spent: "0" },
        { policy: { name: "each" } },
        { policy: { name: "low", alert: { below: "10" } } },
        { policy: { name: "monthly" }, nextTime: "2999-01-31T11:00:00Z" },
      ],
    });
    await server.client.getOrCreate({ userId: "fay" });
    expect((await points("policy", "list", "fay")).stdout).toBe("fay has no policies\n");
  });

  test("a repeat changes nothing, and refusals are sentences", async () => {
    const args = ["gus", "credit", "--credit-line", "5", "--request-id", "r1", "--actor", "Ana"];
    await put(...args);
    expect((await put(...args)).stdout).toContain("answered before, and nothing was changed");
    const changed = await put("gus", "credit", "--alert-below", "5");
    expect(changed).toMatchObject({ code: 1, stdout: "" });
    expect(changed.stderr).toMatch(/^points: policy must have a rule of the kind .*FIELD_INVALID/);
    const zone = await put("gus", "free", ...MONTHLY, "--time-zone", "Mars/Olympus");
    expect(zone.stderr).toMatch(/^points: policy.allowance.time_zone must be .*FIELD_INVALID/);
    const long = await put("gus", "free", ...MONTHLY, "--rollover", "12345678901");
    expect(long.stderr).toMatch(/^points: policy.allowance.periods .*FIELD_INVALID/);
    const unknown = await points("policy", "delete", "gus", "free");
    expect(unknown.stderr).toMatch(/^points: .*\(POLICY_NOT_FOUND, /);
    const json = await points("policy", "delete", "gus", "credit", "--json");
    expect(JSON.parse(json.stdout)).toMatchObject({
      entry: { kind: "ENTRY_KIND_SET_POLICY", policy: { name: "credit" } },
    });
  });

  test("forecast shows what will expire", async () => {
    await points("recharge", "hal", "40", "--ttl", "10d");
    await points("recharge", "hal", "7");
    expect(timeless((await points("forecast", "hal")).stdout)).toBe(`\
time (UTC)           expired  granted  released  balance  debt  allowances
───────────────────  ───────  ───────  ────────  ───────  ────  ──────────
TIME                      40        0         0        7     0
`);
    const soon = await points("forecast", "hal", "--until", "9d");
    expect(soon.stdout).toMatch(/^nothing happens to hal by itself until .* \(UTC\)\n$/);
    const past = await points("forecast", "hal", "--until", "2020-01-01T00:00:00Z");
    expect(past.stderr).toMatch(/^points: until must be after now \(FIELD_INVALID\)\n$/);
    const json = await points("forecast", "hal", "--json");
    expect(JSON.parse(json.stdout)).toMatchObject({ forecasts: [{ expired: "40" }], more: false });
  });
});

/** Replaces times by a text of the same width. */
function timeless(text: string): string {
  const padded = text.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "TIME".padEnd(19));
  return padded.replace(/ +$/gm, "");
}
