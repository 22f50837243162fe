import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import {
  type SummarizeRequest,
  type SummarizeResponse,
  SummarizeResponseSchema,
  type SumSchema,
} from "../../gen/points/v1/ledger_pb.ts";
import { tooMuchAsked } from "../../src/errors/api-error.ts";
import { runPoints } from "../support/processes.ts";
import { makeFolder } from "../support/run-folder.ts";
import { serveLedger } from "../support/scripted-ledger.ts";

// `points report` at a server that answers Summarize as each test says. That a real one's sums are
// right is checked with it.

type Sums = MessageInitShape<typeof SumSchema>[];
type State = { readonly inside: Sums; readonly closing?: Sums; readonly caughtUpTo?: string };
type Ledger = { readonly ledgerId: string; readonly caller?: { readonly userIdPrefix: string } };

const LEDGER: Ledger = { ledgerId: "ledger-1" };

const NOVEMBER: Sums = [
  { kind: EntryKind.RECHARGE, category: "paid", entries: 2n, points: 150n },
  { kind: EntryKind.RECHARGE, category: 'a "gift", 🪙', entries: 1n, points: 20n, repaid: 5n },
  { kind: EntryKind.CONSUME, service: "tts", entries: 3n, points: 37n, owed: 7n, uncovered: 4n },
  { kind: EntryKind.SETTLE, service: "=1+1", entries: 1n, points: 2n, uncovered: 3n },
  { kind: EntryKind.REVOKE, entries: 1n, points: 1n, uncovered: 9n },
  { kind: EntryKind.FREEZE, entries: 1n, points: 10n },
];
const OPENING: Sums = [{ kind: EntryKind.RECHARGE, entries: 4n, points: 1_000n }];
const DECEMBER_2 = "2026-12-02T03:04:05.678901Z";

/** A server whose ledger had OPENING, is in one state after the other, and stays in the last. */
function ledgerIn(...states: readonly [State, ...State[]]) {
  return namedLedgerIn(LEDGER, ...states);
}

async function namedLedgerIn(ledger: Ledger, ...states: readonly [State, ...State[]]) {
  const requests: SummarizeRequest[] = [];
  const { baseUrl } = await serveLedger({
    getLedger: () => ledger,
    summarize(request): SummarizeResponse {
      const at = Math.floor(requests.length / 3);
      requests.push(request);
      const {
        inside,
        closing = [...OPENING, ...inside],
        caughtUpTo,
      } = states[at] ?? states.at(-1)!;
      const { groupBy, startTime } = request;
      const isOpening =
        startTime === undefined && msOf(request.endTime) === Date.parse("2026-11-01");
      const sums = isOpening ? OPENING : groupBy.length > 1 ? inside : closing;
      const time = caughtUpTo === undefined ? {} : { caughtUpTo: instant(caughtUpTo) };
      return create(SummarizeResponseSchema, { sums, ...time });
    },
  });
  const report = (...args: string[]) =>
    runPoints({ POINTS_URL: baseUrl }, ["report", ...args]).exit;
  return { report, requests };
}

describe("points report", () => {
  test("shows a month as a table whose columns add up", async () => {
    const { report } = await ledgerIn({ inside: NOVEMBER, caughtUpTo: DECEMBER_2 });
    const { code, stdout, stderr } = await report("--month", "2026-11");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toBe(`\
Points of all users from 2026-11-01 until 2026-12-01 (UTC)

line           of            entries  held  debt   net
─────────────  ────────────  ───────  ────  ────  ────
opening                            4  1000     0  1000
issued         a "gift", 🪙        1   +15    -5   +20
issued         paid                2  +150     0  +150
refunded                           0     0     0     0
consumed       =1+1                1    -2     0    -2
consumed       tts                 3   -30    +7   -37
expired                            0     0     0     0
revoked                            1    -1     0    -1
other entries                      1     0     0     0
closing                           13  1132     2  1130

7 more points were asked for, and nobody paid them.

As of 2026-12-02 03:04:05 (UTC). What is booked later for these days still changes it: see --since.
`);
  });

  test("is also CSV as RFC 4180 has it, and JSON", async () => {
    const { report } = await ledgerIn({ inside: NOVEMBER, caughtUpTo: DECEMBER_2 });
    const [csv, json] = await Promise.all([
      report("--month=2026-11", "--format=csv"),
      report("--month=2026-11", "--json"),
    ]);
    expect(csv.stdout).toBe(
      [
        "line,of,entries,held,debt,net,uncovered",
        "opening,,4,1000,0,1000,",
        'issued,"a ""gift"", 🪙",1,15,-5,20,',
        "issued,paid,2,150,0,150,",
        "refunded,,0,0,0,0,",
        // No formula.
        "consumed,'=1+1,1,-2,0,-2,3",
        "consumed,tts,3,-30,7,-37,4",
        "expired,,0,0,0,0,",
        "revoked,,1,-1,0,-1,",
        "other entries,,1,0,0,0,",
        "closing,,13,1132,2,1130,",
        "",
      ].join("\r\n"),
    );
    expect(csv.stderr).toMatch(/^As of 2026-12-02 03:04:05 \(UTC\)\. /);
    expect(json).toMatchObject({ code: 0, stderr: "" });
    const { lines, ...about } = JSON.parse(json.stdout) as { lines: unknown[] };
    expect(about).toEqual({
      ledgerId: "ledger-1",
      from: "2026-11-01",
      until: "2026-12-01",
      timeZone: "UTC",
      userId: "",
      userIdPrefix: "",
      startTime: "2026-11-01T00:00:00Z",
      endTime: "2026-12-01T00:00:00Z",
      caughtUpTo: DECEMBER_2,
      isComplete: true,
      uncovered: "7",
    });
    expect(lines).toHaveLength(10);
    const first = { line: "opening", of: "", entries: "4", held: "1000", debt: "0", net: "1000" };
    expect(lines[0]).toEqual(first);
  });

  test("says what was booked since an earlier report of the same days", async () => {
    const file = join(await makeFolder("report"), "november.json");
    const at = await ledgerIn({ inside: NOVEMBER, caughtUpTo: DECEMBER_2 });
    await writeFile(file, (await at.report("--month=2026-11", "--json")).stdout);
    const late = { kind: EntryKind.RECHARGE, category: "plan", entries: 1n, points: 30n };
    const inside = [...NOVEMBER, late];
    const { report } = await ledgerIn({ inside, caughtUpTo: "2026-12-31T00:00:00Z" });
    const since = ["--month=2026-11", "--since", file];
    const noTime = join(await makeFolder("report"), "no-time.json");
    await writeFile(noTime, JSON.stringify({ lines: [], caughtUpTo: "2026" }));
    const [table, csv, json, same, other, none, timeless] = await Promise.all([
      report(...since),
      report(...since, "--format=csv"),
      report(...since, "--format=json"),
      at.report(...since),
      report(...since, "eu-"),
      report("--month=2026-11", "--since", "package.json"),
      report("--month=2026-11", "--since", noTime),
    ]);
    expect(table.stdout).toContain(`
Booked since 2026-12-02 03:04:05 (UTC):

line     of    entries  held  debt  net
───────  ────  ───────  ────  ────  ───
issued   plan       +1   +30     0  +30
closing             +1   +30     0  +30

As of 2026-12-31 00:00:00 (UTC). `);
    const rows = csv.stdout.split("\r\n");
    expect(rows[0]).toBe(
      "line,of,entries,held,debt,net,entries_since,held_since,debt_since,net_since,uncovered",
    );
    expect(rows).toContain("issued,plan,1,30,0,30,1,30,0,30,");
    expect(rows).toContain("issued,paid,2,150,0,150,0,0,0,0,");
    expect(rows).toContain("consumed,tts,3,-30,7,-37,0,0,0,0,4");
    expect(JSON.parse(json.stdout)).toMatchObject({
      bookedSince: {
        caughtUpTo: DECEMBER_2,
        lines: [{ line: "issued", of: "plan", net: "30" }, { line: "closing" }],
      },
    });
    expect(same.stdout).toContain("\nNothing of these days was booked since 2026-12-02 03:04:05");
    expect(other).toMatchObject({ code: 1, stdout: "" });
    expect(other.stderr).toContain('its userIdPrefix is "", and not "eu-"');
    const noReport = "is no report, as points report --format json writes it\n";
    expect(none.stderr).toBe(`points: package.json ${noReport}`);
    expect(timeless.stderr).toBe(`points: ${noTime} ${noReport}`);
  });

  test("is of the caller's users, and is compared with such of the same users and ledger", async () => {
    const file = join(await makeFolder("report"), "eu.json");
    const month = "--month=2026-11";
    const state = { inside: NOVEMBER, caughtUpTo: DECEMBER_2 };
    const kept = await namedLedgerIn({ ...LEDGER, caller: { userIdPrefix: "eu-" } }, state);
    const free = await ledgerIn(state);
    const copy = await namedLedgerIn({ ledgerId: "ledger-2" }, state);
    const { stdout } = await kept.report(month, "--json");
    await writeFile(file, stdout);
    expect(JSON.parse(stdout)).toMatchObject({ userId: "", userIdPrefix: "eu-" });
    const [own, narrower, user, same, all, other] = await Promise.all([
      kept.report(month),
      kept.report(month, "eu-1"),
      kept.report(month, "--user=eu-1", "--json"),
      free.report(month, "eu-", "--since", file),
      free.report(month, "--since", file),
      copy.report(month, "eu-", "--since", file),
    ]);
    expect(own.stdout).toMatch(/^Points of users eu-… from /);
    expect(narrower.stdout).toMatch(/^Points of users eu-1… from /);
    expect(JSON.parse(user.stdout)).toMatchObject({ userId: "eu-1", userIdPrefix: "" });
    expect(same.stdout).toContain("\nNothing of these days was booked since ");
    expect(all).toMatchObject({ code: 1, stdout: "" });
    expect(all.stderr).toContain('its userIdPrefix is "eu-", and not ""');
    expect(other).toMatchObject({ code: 1, stdout: "" });
    expect(other.stderr).toContain('its ledgerId is "ledger-1", and not "ledger-2"');
  });

  test("makes no formulas of what callers write", async () => {
    const categories = ["+1", "-1", "@SUM(A1)", "\t=1", "=1,2"];
    const inside = categories.map((category) => {
      return { kind: EntryKind.RECHARGE, category, entries: 1n, points: 1n };
    });
    const { report } = await ledgerIn({ inside, caughtUpTo: DECEMBER_2 });
    const { stdout } = await report("--month=2026-11", "--format=csv");
    expect(stdout.match(/^issued,.*/gm)).toHaveLength(categories.length);
    for (const category of categories) expect(stdout).toContain(`'${category}`);
  });

  test("says so if the sums are not as far as its end, and exits with 1", async () => {
    const built = await ledgerIn({ inside: NOVEMBER });
    const early = await ledgerIn({ inside: NOVEMBER, caughtUpTo: "2026-11-30T23:59:59.999999Z" });
    const month = ["--month=2026-11"];
    const [being, before, json, csv] = await Promise.all([
      built.report(...month),
      early.report(...month),
      early.report(...month, "--json"),
      early.report(...month, "--format=csv"),
    ]);
    expect([being.code, before.code, json.code, csv.code]).toEqual([1, 1, 1, 1]);
    expect(being.stdout).toContain("\nNOT COMPLETE: the sums are being built, and lack most.\n");
    expect(before.stdout).toContain("\nNOT COMPLETE: as of 2026-11-30 23:59:59 (UTC), and");
    expect(json.stderr).toMatch(/^NOT COMPLETE: /);
    expect(csv.stderr).toMatch(/^NOT COMPLETE: /);
    expect(JSON.parse(json.stdout)).toMatchObject({ isComplete: false });
  });

  test("asks again if something was booked between its sums, and prints nothing that is wrong", async () => {
    const more = [...NOVEMBER, { kind: EntryKind.EXPIRE, entries: 1n, points: 3n }];
    const caughtUpTo = DECEMBER_2;
    const torn = { inside: NOVEMBER, closing: [...OPENING, ...more], caughtUpTo };
    const once = await ledgerIn(torn, { inside: more, caughtUpTo });
    const always = await ledgerIn(torn);
    const began = performance.now();
    const [mended, refused] = await Promise.all([
      once.report("--month=2026-11"),
      always.report("--month=2026-11"),
    ]);
    expect(mended.stdout).toMatch(/^expired +1 +-3 +0 +-3$/m);
    expect(once.requests).toHaveLength(6);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain("the columns do not add up from the opening to the closing");
    expect(always.requests).toHaveLength(3 * 8);
    // It gives the projector time for its steps.
    expect(performance.now() - began).toBeGreaterThan(2_000);
  });

  test("asks for the days of a time zone, and for one user or a prefix", async () => {
    const at = await ledgerIn({ inside: [], caughtUpTo: DECEMBER_2 });
    const zone = "--time-zone=Asia/Shanghai";
    expect((await at.report("--month=2026-11", zone, "eu-")).stdout).toMatch(
      /^Points of users eu-… from 2026-11-01 until 2026-12-01 \(Asia\/Shanghai\)\n/,
    );
    const days = ["--from=2026-10-24", "--until=2026-10-26", "--time-zone=Europe/Berlin"];
    expect((await at.report(...days, "--user=ada")).stdout).toMatch(/^Points of ada from /);
    expect(at.requests.map(rangeOf)).toEqual([
      "userIdPrefix eu-: … to 2026-10-31T16:00:00.000Z",
      "userIdPrefix eu-: 2026-10-31T16:00:00.000Z to 2026-11-30T16:00:00.000Z",
      "userIdPrefix eu-: … to 2026-11-30T16:00:00.000Z",
      "userId ada: … to 2026-10-23T22:00:00.000Z",
      "userId ada: 2026-10-23T22:00:00.000Z to 2026-10-25T23:00:00.000Z",
      "userId ada: … to 2026-10-25T23:00:00.000Z",
    ]);
  });

  test("asks in halves for what is too much to add up at once", async () => {
    let asked = 0;
    const { baseUrl } = await serveLedger({
      getLedger: () => LEDGER,
      summarize({ startTime, endTime }): SummarizeResponse {
        asked += 1;
        const [start, end] = [msOf(startTime), msOf(endTime)];
        if (end - start > 8_000 * DAY_MS) throw tooMuchAsked("time");
        const sums = TIMES.filter((time) => time >= start && time < end).map(() => OPENING[0]!);
        return create(SummarizeResponseSchema, { sums, caughtUpTo: instant(DECEMBER_2) });
      },
    });
    const { stdout } = await runPoints({ POINTS_URL: baseUrl }, ["report", "--month=2026-11"]).exit;
    expect(stdout).toMatch(/^opening +16 +4000 +0 +4000$/m);
    expect(stdout).toMatch(/^issued +8 +\+2000 +0 +\+2000$/m);
    expect(stdout).toMatch(/^closing +24 +6000 +0 +6000$/m);
    expect(asked).toBe(1 + 2 * (4 + 3));
  });
});

const DAY_MS = 86_400_000;
/** Of entries in years before November 2026, and in it. */
const TIMES = [
  "1970-01-01",
  "2000-02-03",
  "2025-12-31",
  "2026-10-31",
  "2026-11-01",
  "2026-11-30",
].map((day) => Date.parse(day));

function instant(text: string): Timestamp {
  const [, micros] = /\.(\d{6})Z$/.exec(text) ?? [];
  return { ...timestampFromDate(new Date(text)), nanos: Number(micros ?? 0) * 1_000 };
}

function msOf(time: Timestamp | undefined): number {
  return time === undefined ? 0 : timestampDate(time).getTime();
}

function rangeOf({ of, startTime, endTime }: SummarizeRequest): string {
  const start = startTime === undefined ? "…" : timestampDate(startTime).toISOString();
  return `${of.case} ${of.value}: ${start} to ${timestampDate(endTime!).toISOString()}`;
}
