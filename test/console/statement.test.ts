import { readFile } from "node:fs/promises";
import { fromBinary } from "@bufbuild/protobuf";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { erase } from "../../src/commit/erase.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { expectAccessible, hasBrowser, openConsole } from "./browser.ts";
import { stillness } from "./still-page.ts";
import { ListEntriesRequestSchema } from "../../gen/points/v1/points_pb.ts";

describe.skipIf(!hasBrowser)("the statement", () => {
  let server: TestServer;
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase();
    server = await testServer({}, database);
    await ada(server);
    await many(server);
  });
  afterAll(async () => {
    await server.stop();
    await database.close();
  });

  test("refunds and settlements stand once, under what they are about, and the balance has a chart", async () => {
    const page = await openConsole(server, "/statement?user=ada");
    await page.getByText("6 entries").waitFor();
    expect(await rowsOf(page)).toEqual([
      "#4 Freeze -60 220",
      "#5 Settle 6 went back 54 226",
      "#2 Consume a voice -30 270",
      "#3 Refund it failed +10 280",
      "#6 Refund the rest +20 246",
      "#1 Recharge order: 7001 +300 300",
    ]);
    await page.getByText("What is indented came later than the line above it").waitFor();
    const sentence = /^Balance from 300 on .* to 246 on .*; least 220, most 300\.$/;
    const chart = page.getByRole("img", { name: sentence });
    await chart.locator("svg path.recharts-curve").waitFor();
    await page.getByText(sentence).waitFor();
    await expectAccessible(page);
    await page.getByRole("switch", { name: /Put refunds and settlements/ }).press("Space");
    await page.getByText("By number, newest first").waitFor();
    const numbers = (await rowsOf(page)).map((row) => row.slice(0, 2));
    expect(numbers).toEqual(["#6", "#5", "#4", "#3", "#2", "#1"]);
  });

  test("filters are in the address, and the ledger applies them", async () => {
    const page = await openConsole(server, "/statement?user=ada");
    await page.getByRole("combobox", { name: "Kind" }).selectOption("Refund");
    await page.getByRole("textbox", { name: "Actor" }).fill("Mei");
    await page.keyboard.press("Enter");
    await page.getByText("1 entry", { exact: true }).waitFor();
    expect(new URL(page.url()).search).toBe("?user=ada&kind=REFUND&actor=Mei");
    expect(await rowsOf(page)).toEqual(["#3 Refund #2 it failed +10 280"]);
    await page.getByText("No chart of the balance").waitFor();
    await page.getByRole("textbox", { name: "Member" }).fill("nobody");
    await page.getByRole("button", { name: "Apply" }).press("Enter");
    await page.getByText("No entry is like that.").waitFor();
    await page.getByRole("button", { name: "Clear" }).press("Enter");
    await page.getByText("6 entries").waitFor();
    expect(new URL(page.url()).search).toBe("?user=ada");
  });

  test("a long one comes page by page as the keys scroll it, a window of it at a time", async () => {
    const page = await openConsole(server, "/statement?user=many");
    await page.getByText("100 entries so far").waitFor();
    const table = page.getByRole("group", { name: "Statement of many" });
    await table.focus();
    await expect
      .poll(async () => {
        await page.keyboard.press("End");
        return table.getByRole("link", { name: "#1", exact: true }).count();
      })
      .toBe(1);
    expect(await page.getByText("151 entries").count()).toBe(1);
    expect(await table.getByRole("row").count()).toBeLessThan(100);
  });

  test("a page that fails is asked for again by a button, and never by itself", async () => {
    const page = await openConsole(server, "/statement?user=many", { allowed: /500/ });
    let [asked, isAway] = [0, true];
    await page.route("**/points.v1.PointsService/ListEntries", async (route) => {
      const body = route.request().postDataBuffer()!;
      if (fromBinary(ListEntriesRequestSchema, body).pageToken === "") return route.continue();
      asked += 1;
      return isAway ? route.fulfill({ status: 500, json: { code: "internal" } }) : route.continue();
    });
    const still = stillness(page);
    const table = page.getByRole("group", { name: "Statement of many" });
    await table.focus();
    await page.keyboard.press("End");
    await page.getByRole("alert").getByText("Something went wrong").waitFor();
    await still();
    await page.keyboard.press("Home");
    await page.keyboard.press("End");
    await still();
    expect(asked).toBe(1);
    isAway = false;
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText("151 entries").waitFor();
    expect(asked).toBe(2);
  });

  test("what comes later is said to whoever comes back to the page; an erased account is gone", async () => {
    const userId = "eva";
    await server.client.recharge({ userId, points: 5n, metadata: { for: "a gift" } });
    const page = await openConsole(server, `/statement?user=${userId}`, { allowed: /404/ });
    await page.getByText("1 entry", { exact: true }).waitFor();
    await server.client.recharge({ userId, points: 5n, metadata: { for: "a prize" } });
    await comesBack(page);
    await page.getByText("There are newer entries.").waitFor();
    await page.getByRole("button", { name: "Show them" }).click();
    await page.getByText("2 entries").waitFor();
    expect(await page.getByText("There are newer entries.").count()).toBe(0);
    await erase(database.orm, userId);
    await comesBack(page);
    await page.getByRole("alert").getByText("There is no account eva.").waitFor();
    expect(await page.getByText("a gift").count()).toBe(0);
  });

  test("all that the filters find is saved as CSV", async () => {
    const page = await openConsole(server, "/statement?user=many&kind=CONSUME");
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save as CSV" }).press("Enter");
    const file = await download;
    expect(file.suggestedFilename()).toBe("statement-many.csv");
    const lines = (await readFile(await file.path(), "utf8")).trimEnd().split("\r\n");
    expect(lines).toHaveLength(151);
    expect(lines[0]).toMatch(/^\uFEFFuser_id,sequence,kind,points,/);
    expect(lines[1]).toMatch(/^many,151,CONSUME,1,/);
    await page.getByText("150 entries saved.").waitFor();
  });

  test("an account without entries, and a user without an account, are said in words", async () => {
    await server.client.getOrCreate({ userId: "empty" });
    const page = await openConsole(server, "/statement?user=empty");
    await page.getByText("No entry.").waitFor();
    const other = await openConsole(server, "/statement?user=..", { allowed: /404/ });
    await other.getByRole("alert").waitFor();
  });

  test("in Chinese, dark and narrow, it fits its window", async () => {
    const viewport = { width: 400, height: 800 };
    const options = { viewport, locale: "zh-CN", colorScheme: "dark" } as const;
    const page = await openConsole(server, "/statement?user=ada", options);
    await page.getByText("共 6 条记录").waitFor();
    await page.getByRole("cell", { name: "结算" }).waitFor();
    await expectAccessible(page);
    const widths = "[document.documentElement.scrollWidth, innerWidth]";
    expect(await page.evaluate(widths)).toEqual([400, 400]);
  });
});

/** Goes to another tab and comes back, a while later. */
async function comesBack(page: Page): Promise<void> {
  const nowMs = await page.evaluate<number>("Date.now()");
  await page.clock.setFixedTime(nowMs + 60_000);
  await page.evaluate(`dispatchEvent(new Event("visibilitychange"))`);
}

/** The rows in sight: number, what, points, and the balance after it. */
async function rowsOf(page: Page): Promise<string[]> {
  const titles = await page.getByRole("columnheader").allInnerTexts();
  const rows = await page.getByRole("table").getByRole("row").all();
  const texts = await Promise.all(rows.map((row) => row.getByRole("cell").allInnerTexts()));
  const columns = ["Entry", "What", "Points", "Balance"].map((title) => titles.indexOf(title));
  return texts
    .filter((cells) => cells.length > 0)
    .map((cells) => columns.map((at) => cells[at]!.replaceAll(/\s+/g, " ")).join(" "));
}

/** Six entries, of which three are about others. */
async function ada({ client }: TestServer): Promise<void> {
  const userId = "ada";
  await client.recharge({ userId, points: 300n, metadata: { order: "7001" } });
  const cost = { case: "points", value: 30n } as const;
  await client.consume({ userId, cost, metadata: { for: "a voice" } });
  const part = { userId, sequence: 2n, points: 10n, actor: "Mei" };
  await client.refund({ ...part, metadata: { reason: "it failed" } });
  await client.freeze({ userId, cost: { case: "points", value: 60n } });
  await client.settle({ userId, hold: 4n, cost: { case: "points", value: 54n } });
  await client.refund({ userId, sequence: 2n, metadata: { reason: "the rest" } });
}

/** 150 charges. */
async function many({ client }: TestServer): Promise<void> {
  const userId = "many";
  await client.recharge({ userId, points: 1_000n });
  const value = { userId, cost: { case: "points", value: 1n } } as const;
  const operation = { operation: { case: "consume", value } } as const;
  await client.applyBatch({ operations: Array.from({ length: 150 }, () => operation) });
}
