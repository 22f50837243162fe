import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { tokenOf } from "../support/callers.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { MAY_ALL, serveApp } from "../support/served-app.ts";
import { testServer } from "../support/server.ts";
import { expectAccessible, hasBrowser, openConsole } from "./browser.ts";

describe.skipIf(!hasBrowser)("the sign-in", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase();
  });
  afterAll(() => database.close());

  test("a server without authentication opens directly, and says so", async () => {
    const server = await testServer({}, database);
    const page = await openConsole(server);
    await page.getByRole("button", { name: /no sign-in/ }).click();
    await page.getByText("This server asks nobody who they are").waitFor();
    await expectAccessible(page);
    await server.stop();
  });

  test("a token is asked for, and is forgotten by a reload", async () => {
    const { server } = await serveApp(database);
    const page = await openConsole(server, "/", { allowed: /401/ });
    await page.getByRole("textbox", { name: "Token" }).fill("another");
    await page.keyboard.press("Enter");
    await page.getByText("The server does not take this token.").waitFor();
    await expectAccessible(page);
    // No header could carry it.
    await page.getByRole("textbox", { name: "Token" }).fill("令牌“token”");
    await page.keyboard.press("Enter");
    await page.getByText("This is no token").waitFor();
    await page.getByRole("textbox", { name: "Token" }).fill(`\u200b ${tokenOf("app")}\ufeff `);
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: /^app/ }).waitFor();
    const kept = "JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }])";
    expect(await page.evaluate(kept)).not.toContain(tokenOf("app"));
    await page.reload();
    await page.getByRole("textbox", { name: "Token" }).waitFor();
  });

  test("the header says who, what and where, and the label which environment", async () => {
    const support = { scopes: ["points.read", "points.refund"], prefix: "eu-", maxPoints: 500 };
    const { server } = await serveApp(database, support, { CONSOLE_LABEL: "red:production" });
    const options = { allowed: /401/, locale: "zh-CN", colorScheme: "dark" } as const;
    const page = await openConsole(server, "/", { ...options, viewport: NARROW });
    await page.getByText("production").waitFor();
    await expectAccessible(page);
    await page.getByRole("textbox", { name: "令牌" }).fill(tokenOf("app"));
    await page.getByRole("textbox", { name: "您的姓名" }).fill("李雷");
    await page.keyboard.press("Enter");
    const who = page.getByRole("button", { name: /^app · 李雷/ });
    expect(await who.textContent()).toMatch(/可查看、退款 · 账本 [0-9a-f]{8}，纪元 1$/);
    await page.getByText("production").waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(NARROW.width);

    // By keyboard: opened, and closed again to where it was.
    await who.focus();
    await page.keyboard.press("Enter");
    const details = page.getByRole("dialog");
    for (const text of ["查看账户", "eu-", "最多 500 积分", "退出登录"]) {
      await details.getByText(text).waitFor();
    }
    await expectAccessible(page);
    await page.keyboard.press("Escape");
    await details.waitFor({ state: "hidden" });
    expect(await who.evaluate("document.activeElement.textContent")).toMatch(/^app/);
  });

  test("a wrong token is called so in the dialog over the page as well", async () => {
    const { server, become } = await serveApp(database);
    const page = await openConsole(server, "/", { allowed: /40[014]/ });
    await page.getByRole("textbox", { name: "Token" }).fill(tokenOf("app"));
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: /^app/ }).waitFor();
    await become({ next: MAY_ALL });
    await page.getByRole("textbox", { name: "What do you look for?" }).fill("nobody");
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Sign in again" });
    await dialog.waitFor();
    expect(await dialog.getByText("The server does not take this token.").count()).toBe(0);
    const token = dialog.getByRole("textbox", { name: "Token" });
    await token.fill("中文token");
    await page.keyboard.press("Enter");
    await dialog.getByText("This is no token").waitFor();
    await token.fill("another");
    await page.keyboard.press("Enter");
    await dialog.getByText("The server does not take this token.").waitFor();
    await token.fill(tokenOf("next"));
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: /^next/ }).waitFor();
  });

  test("settings that cannot be read are said, and are read at another try", async () => {
    const { server } = await serveApp(database, MAY_ALL, { CONSOLE_LABEL: "red:production" });
    const page = await openConsole(server, "/nowhere", { allowed: /401|500/ });
    await page.getByText("production").waitFor();
    const broken = { status: 500, contentType: "application/json", body: "{}" };
    let asked = 0;
    await page.route(/config\.json/, (route) => {
      asked += 1;
      return route.fulfill(broken);
    });
    await page.reload();
    await page.getByText("Environment not known").waitFor();
    await page.getByRole("main").getByText("How to sign in here could not be read").waitFor();
    await expectAccessible(page);
    // It asks three times more by itself.
    await expect.poll(() => asked).toBe(4);
    await page.unroute(/config\.json/);
    await page.getByRole("main").getByRole("button", { name: "Try again" }).click();
    await page.getByText("production").waitFor();
    expect(await page.getByRole("alert").count()).toBe(0);
  });

  test("a file that the server lacks since an upgrade is said, and the header stays", async () => {
    const server = await testServer({}, database);
    onTestFinished(() => server.stop());
    const page = await openConsole(server, "/", { allowed: /40[04]|a file of the page/ });
    await page.getByRole("textbox").waitFor();
    await page.route(/overview-screen/, (route) => route.fulfill({ status: 404 }));
    await page.getByRole("link", { name: "Overview" }).click();
    await page.getByRole("alert").getByText("This part of the page cannot be loaded").waitFor();
    await expectAccessible(page);
    await page.unroute(/overview-screen/);
    await page.getByRole("button", { name: "Reload" }).click();
    await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  });
});

const NARROW = { width: 400, height: 800 };
