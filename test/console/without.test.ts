import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { expectAccessible, hasBrowser, openConsole } from "./browser.ts";

describe.skipIf(!hasBrowser)("the console without something that it has as a rule", () => {
  let database: TestDatabase;
  let server: TestServer;
  beforeAll(async () => {
    database = await testDatabase();
    server = await testServer({}, database);
    await server.client.recharge({ userId: "ada", points: 100n });
    const expireTime = timestampFromMs(Date.now() + 10 * DAY_MS);
    const expiration = { case: "expireTime", value: expireTime } as const;
    await server.client.recharge({ userId: "ada", points: 7n, expiration });
  });
  afterAll(async () => {
    await server.stop();
    await database.close();
  });

  test("where the browser keeps nothing, all works that needs no memory", async () => {
    const page = await openConsole(server, "/signed-in", { allowed: /400/ });
    await page.addInitScript(`for (const name of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError"); } });
    }`);
    await page.goto(`${server.baseUrl}/console/`);
    await page.getByRole("textbox").fill("ada");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "ada" }).waitFor();
    await page.getByRole("button", { name: "简体中文" }).click();
    await page.getByRole("heading", { level: 2, name: "批次" }).waitFor();
    await page.getByRole("button", { name: "浅色或深色" }).click();
    await page.locator("html[data-mantine-color-scheme=dark]").waitFor();
  });

  test("a screen without a chart's file is there but for the chart", async () => {
    const page = await openConsole(server, "/", { allowed: /404/ });
    await page.route(/(forecast|balance)-chart[^/]*\.js/, (route) =>
      route.fulfill({ status: 404 }),
    );
    for (const [path, text] of [
      ["account", "7 points expire"],
      ["statement", "2 entries"],
    ] as const) {
      await page.goto(`${server.baseUrl}/console/${path}?user=ada`);
      await page.getByRole("alert").getByText("This part of the page cannot be loaded").waitFor();
      await page.getByText(text, { exact: true }).first().waitFor();
    }
    await expectAccessible(page);
  });

  test("a find without the file of its results says so beneath the box", async () => {
    const page = await openConsole(server, "/", { allowed: /404/ });
    await page.route(/results[^/]*\.js/, (route) => route.fulfill({ status: 404 }));
    await page.getByRole("textbox").fill("ada");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("This part of the page cannot be loaded").waitFor();
    expect(await page.getByRole("textbox").inputValue()).toBe("ada");
  });

  test("without a network a screen says that nobody answers, and is there at another try", async () => {
    const page = await openConsole(server, "/account?user=ada", { allowed: /ERR_INTERNET/ });
    await page.getByRole("heading", { level: 1, name: "ada" }).waitFor();
    await loaded(page, "/statement");
    await page.context().setOffline(true);
    await page.getByRole("link", { name: "Statement" }).click();
    await page.getByText("No answer came from the server").first().waitFor();
    await page.context().setOffline(false);
    await page.getByText("2 entries", { exact: true }).waitFor();
  });

  test.each([
    ["/nowhere", "There is no such page", "没有这个页面"],
    ["/statement", "No user is named", "未指定用户"],
    ["/account?user=", "No user is named", "未指定用户"],
    ["/act?act=refund", "No user is named", "未指定用户"],
    ["/entry?sequence=1", "No user is named", "未指定用户"],
  ])("%s says what is missing, and leads to Find", async (path, english, chinese) => {
    const page = await openConsole(server, path);
    await page.getByRole("heading", { level: 1, name: english }).waitFor();
    await page.getByRole("button", { name: "简体中文" }).click();
    await page.getByRole("heading", { level: 1, name: chinese }).waitFor();
    await page.getByRole("link", { name: "查找账户" }).click();
    await page.getByRole("heading", { level: 1, name: "查找" }).waitFor();
  });

  test("what says that there is none is easy to read", async () => {
    const page = await openConsole(server, "/nowhere", { allowed: /404/ });
    await page.getByRole("heading", { level: 1 }).waitFor();
    await expectAccessible(page);
    await page.goto(`${server.baseUrl}/console/movements?user=nobody`);
    await page.getByRole("heading", { level: 1, name: "There is no account nobody" }).waitFor();
    await expectAccessible(page);
  });

  test.each([320, 700])(
    "the links of the header stand beside each other at %i px",
    async (width) => {
      const projected = await testServer({ PROJECT: "on" }, database);
      const page = await openConsole(projected, "/", { viewport: { width, height: 700 } });
      const find = await page.getByRole("link", { name: "Find" }).boundingBox();
      const overview = await page.getByRole("link", { name: "Overview" }).boundingBox();
      expect(overview!.y).toBe(find!.y);
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
      await projected.stop();
    },
  );
});

const DAY_MS = 86_400_000;

/** As by a pointer over the link: the screen's file is there. */
async function loaded(page: Page, path: string): Promise<void> {
  const file = page.waitForResponse(/statement-screen[^/]*\.js/);
  await page.locator(`a[href^="/console${path}"]`).first().hover();
  await (await file).finished();
}
