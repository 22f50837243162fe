import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Mutation } from "../../src/ledger/command.ts";
import { tokenOf } from "../support/callers.ts";
import { commitAll } from "../support/commit-all.ts";
import {
  by,
  consume,
  DUE,
  expire,
  freezeUntil,
  recharge,
  revoke,
  usageOf,
} from "../support/commands.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { projectAll } from "../support/projected.ts";
import { serveApp } from "../support/served-app.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { stoppedClock } from "../support/stopped-clock.ts";
import { expectAccessible, hasBrowser, openConsole } from "./browser.ts";

const at = (time: string) => BigInt(Date.parse(time)) * 1_000n;

describe.skipIf(!hasBrowser)("Where did they go?", () => {
  let database: TestDatabase;
  let server: TestServer;
  beforeAll(async () => {
    database = await testDatabase();
    server = await testServer({}, database);
    const paid = { ...recharge(100n, { kind: "never" }), category: "paid" } as Mutation;
    const gift = {
      ...recharge(63n, { kind: "at", time: at("2026-10-20T00:00:00Z") }, 9),
      category: "gift",
    } as Mutation;
    for (const [time, command] of [
      ["2026-09-10T09:00:00Z", paid],
      // In Shanghai this is a day of October already.
      ["2026-09-30T16:00:00Z", consume(usageOf("script", 5n))],
      ["2026-10-02T09:00:00Z", gift],
      ["2026-10-03T09:00:00Z", by("Li", consume(usageOf("tts", 37n)))],
      ["2026-10-04T09:00:00Z", consume(usageOf("video", 8n))],
      ["2026-10-05T09:00:00Z", revoke(2n)],
      ["2026-10-21T09:00:00Z", expire(DUE)],
      ["2026-10-31T09:00:00Z", freezeUntil(usageOf("video", 10n), at("2026-11-03T09:00:00Z"))],
      ["2026-11-04T09:00:00Z", expire(DUE)],
    ] as const) {
      await commitAll(database.orm, [command], { clock: stoppedClock(at(time)) });
    }
    await projectAll(database);
  });
  afterAll(async () => {
    await server.stop();
    await database.close();
  });

  const OCTOBER = "/movements?user=ada&from=2026-10-01&to=2026-10-31";
  const inShanghai = { timezoneId: "Asia/Shanghai" };
  const rowsOf = async (page: Page, name: RegExp | string) => {
    const table = page.getByRole("group", { name });
    await table.waitFor();
    const rows = await table.getByRole("row").allInnerTexts();
    return rows.map((row) => row.trim().split(/\s+/).join(" "));
  };

  test("the columns add up, by category and service, in the browser's days", async () => {
    const page = await openConsole(server, OCTOBER, inShanghai);
    expect(await rowsOf(page, "What came, and where it went")).toEqual([
      "Of which Points Entries",
      "At the start Oct 1, 2026, 00:00 100",
      "balance 100",
      "Recharged +63 Statement",
      "gift +63",
      "Refunded 0",
      "Consumed -50 Statement",
      "tts -37",
      "video -8",
      "script -5",
      "Expired -63 Statement",
      "Revoked -2 Statement",
      "At the end Nov 1, 2026, 00:00 48",
      "balance 38",
      "frozen by holds +10",
    ]);
    await page.getByText("It adds up: 100 + 63 − 50 − 63 − 2 = 48").waitFor();
    await page.getByText("A settlement that names no usage counts under its hold").waitFor();
    await page.getByText(/From the index as of/).waitFor();
    expect(await rowsOf(page, "Which lots expired")).toEqual([
      "Lot Category Made on Unused Of Expired Entries",
      "#3 gift Oct 2, 2026 63 63 Oct 20, 2026 #7",
    ]);
    const chart = page.getByRole("img", {
      name: /At the start 100, Recharged \+63, .* At the end 48/,
    });
    await chart.waitFor();
    await expectAccessible(page);
    await page.getByRole("link", { name: "tts" }).click();
    await page.waitForURL(/statement\?/);
    const { searchParams } = new URL(page.url());
    expect(Object.fromEntries(searchParams)).toEqual({
      user: "ada",
      kind: "CONSUME,SETTLE",
      service: "tts",
      from: "2026-10-01",
      to: "2026-10-31",
    });
  });

  test("a range is chosen by days or by its name, and is in the address", async () => {
    const page = await openConsole(server, OCTOBER, {
      ...inShanghai,
      locale: "zh-CN",
      colorScheme: "dark",
    });
    await page.getByText("核对无误：100 + 63 − 50 − 63 − 2 = 48").waitFor();
    await expectAccessible(page);
    await page.getByLabel("从", { exact: true }).fill("2026-10-04");
    await page.getByText("核对无误：121 − 8 − 63 − 2 = 48").waitFor();
    expect(new URL(page.url()).searchParams.get("from")).toBe("2026-10-04");
    await page.getByLabel("从", { exact: true }).fill("2026-11-01");
    await page.getByText("结束日期早于开始日期，请重新选择。").waitFor();
    await page.getByLabel("从", { exact: true }).fill("2026-10-04");
    await page.getByText("核对无误：121 − 8 − 63 − 2 = 48").waitFor();
    await page.getByRole("link", { name: "从开户起" }).click();
    await page.getByText("核对无误：0 + 163 − 50 − 63 − 2 = 48").waitFor();
    await page.goBack();
    await page.getByText("核对无误：121 − 8 − 63 − 2 = 48").waitFor();
  });

  test("what the sums lack yet is a line of its own", async () => {
    await commitAll(database.orm, [{ ...consume(usageOf("tts", 3n)), userId: "bob" }]);
    const recharged = { ...recharge(20n), userId: "bob" } as Mutation;
    await commitAll(database.orm, [recharged]);
    const page = await openConsole(server, "/movements?user=bob&from=beginning");
    expect(await rowsOf(page, "What came, and where it went")).toContain("not in the sums yet +20");
    await page.getByText("It adds up: 0 + 20 = 20").waitFor();
  });

  test("an account that is not there is said", async () => {
    const page = await openConsole(server, "/movements?user=nobody", { allowed: /404/ });
    await page.getByRole("heading", { name: "There is no account nobody" }).waitFor();
  });

  test("who may not ask for sums sees the totals, which add up", async () => {
    const { server: other } = await serveApp(database, { scopes: ["points.spend"] });
    const page = await openConsole(other, OCTOBER, { ...inShanghai, allowed: /401/ });
    await page.getByRole("textbox", { name: "Token" }).fill(tokenOf("app"));
    await page.keyboard.press("Enter");
    await page.getByText("It adds up: 100 + 63 − 50 − 63 − 2 = 48").waitFor();
    await page.getByText("it takes the scope points.audit").waitFor();
    await page.getByText("takes the scope points.read").waitFor();
  });

  test("a ledger without a projector shows the totals, and says what is lacking", async () => {
    const empty = await testDatabase();
    const other = await testServer({}, empty);
    await commitAll(empty.orm, [recharge(20n)]);
    const page = await openConsole(other, "/movements?user=ada", { allowed: /40[04]/ });
    await page.getByText("It adds up: 0 + 20 = 20").waitFor();
    await page.getByText(/no server has built the sums. One with PROJECT=on does/).waitFor();
    await other.stop();
    await empty.close();
  });
});
