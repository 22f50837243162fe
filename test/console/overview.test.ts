import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { byDay, totalOf } from "../../console/overview/by-day.ts";
import { byService } from "../../console/overview/by-service.ts";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { scanIfDue } from "../../src/projection/overview.ts";
import { tokenOf } from "../support/callers.ts";
import { commitAll } from "../support/commit-all.ts";
import { consume, recharge, usageOf } from "../support/commands.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { projectAll } from "../support/projected.ts";
import { snapshotsAt } from "../support/scan-at.ts";
import { serveApp } from "../support/served-app.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { expectAccessible, hasBrowser, openConsole } from "./browser.ts";

const { RECHARGE, CONSUME, SETTLE, REFUND, EXPIRE, REVOKE, FREEZE } = EntryKind;

test("each day has its sums, also one on which nothing happened or that has not come yet", () => {
  const sums = [
    { day: "2026-02-27", kind: RECHARGE, points: 100n },
    { day: "2026-02-27", kind: CONSUME, points: 7n },
    { day: "2026-02-27", kind: SETTLE, points: 5n },
    { day: "2026-03-01", kind: REFUND, points: 3n },
    { day: "2026-03-01", kind: FREEZE, points: 50n },
    { day: "2026-03-02", kind: EXPIRE, points: 20n },
    { day: "2026-03-02", kind: REVOKE, points: 1n },
  ];
  const days = byDay(sums, { first: "2026-02-27", last: "2026-03-01" });
  const none = { recharged: 0n, refunded: 0n, consumed: 0n, expired: 0n, revoked: 0n };
  expect(days).toEqual([
    { ...none, day: "2026-02-27", recharged: 100n, consumed: 12n },
    { ...none, day: "2026-02-28" },
    { ...none, day: "2026-03-01", refunded: 3n },
    { ...none, day: "2026-03-02", expired: 20n, revoked: 1n },
  ]);
  const all = { recharged: 100n, refunded: 3n, consumed: 12n, expired: 20n, revoked: 1n };
  expect(totalOf(days)).toEqual(all);
});

test("services are in the order of what was consumed for them", () => {
  const of = (service: string, kind: EntryKind, points: bigint) => ({
    service,
    kind,
    points,
    entries: 2n,
  });
  expect(
    byService([
      of("tts", CONSUME, 5n),
      of("tts", SETTLE, 3n),
      of("tts", REFUND, 2n),
      of("video", SETTLE, 9n),
      of("", CONSUME, 1n),
      of("", EXPIRE, 50n),
    ]),
  ).toEqual([
    { service: "video", consumed: 9n, refunded: 0n, entries: 2n },
    { service: "tts", consumed: 8n, refunded: 2n, entries: 4n },
    { service: "", consumed: 1n, refunded: 0n, entries: 2n },
  ]);
});

describe.skipIf(!hasBrowser)("the overview", () => {
  let database: TestDatabase;
  let server: TestServer;
  beforeAll(async () => {
    database = await testDatabase();
    server = await testServer({}, database);
  });
  afterAll(async () => {
    await server.stop();
    await database.close();
  });

  test("before there are sums and a scan, it says who makes them", async () => {
    const page = await openConsole(server, "/overview", { allowed: /400/ });
    await page.getByText(/No scan over all accounts has ended yet/).waitFor();
    await page
      .getByText(/It is built by a server with PROJECT=on/)
      .first()
      .waitFor();
    await expectAccessible(page);
  });

  test("it shows what all have, what came and went, services, weeks and the largest", async () => {
    const WEEK = 7n * 86_400_000_000n;
    for (const [userId, points] of [
      ["ada", 300n],
      ["bob", 1_200n],
    ] as const) {
      const lot = recharge(points, { kind: "after", ttl: 2n * WEEK });
      const commands = [lot, recharge(10n), consume(usageOf("tts", 7n))];
      await commitAll(
        database.orm,
        commands.map((command) => ({ ...command, userId })),
      );
    }
    await projectAll(database);
    const { signal } = new AbortController();
    await scanIfDue({ orm: database.orm, read: snapshotsAt(database.orm) }, signal);

    const page = await openConsole(server, "/overview", { timezoneId: "Asia/Kathmandu" });
    for (const [name, figure] of [
      ["Outstanding", "1,506"],
      ["Never expiring", "20"],
      ["Accounts", "2"],
    ] as const) {
      const term = page.locator("dl div", { hasText: name });
      await term.getByText(figure, { exact: true }).waitFor();
    }
    await page.getByText(/From the scan of .* each account is as it was/).waitFor();
    await page.getByRole("img", { name: /All days: Recharged 1,520, .* Consumed 14/ }).waitFor();
    await page.getByRole("row", { name: "All days 1,520 0 14 0 0" }).waitFor();
    await page.getByText(/Days begin at midnight in Asia\/Kath?mandu\./).waitFor();
    await page.getByRole("row", { name: "tts 14 2 0" }).waitFor();
    await page.getByRole("row", { name: /^\w+ \d+ – .*\d+ 1,486$/ }).waitFor();
    await page.getByRole("row", { name: "bob 1,203 0 0" }).waitFor();
    await expectAccessible(page);
    await page.getByRole("link", { name: "Last 90 days" }).click();
    await page.waitForURL(/days=90/);
    await page.getByRole("heading", { name: "Services, last 90 days" }).waitFor();
    await page.getByRole("link", { name: "bob" }).click();
    await page.waitForURL(/account\?user=bob/);
  });

  test("a caller with a prefix sees its users alone, and is told so", async () => {
    const callers = { scopes: ["points.audit", "points.read"], prefix: "ada" };
    const { server: other } = await serveApp(database, callers);
    const page = await openConsole(other, "/overview", {
      allowed: /401/,
      locale: "zh-CN",
      colorScheme: "dark",
    });
    await page.getByRole("textbox", { name: "令牌" }).fill(tokenOf("app"));
    await page.keyboard.press("Enter");
    await page.getByText(/您只能查看 ID 以 ada 开头的用户/).waitFor();
    await page.getByRole("row", { name: "合计 310 0 7 0 0" }).waitFor();
    await expectAccessible(page);
  });
});
