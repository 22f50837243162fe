import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { personOf } from "../../console/sign-in/person.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { tokenOf, writeCallers } from "../support/callers.ts";
import { startOpenIdIssuer } from "../support/open-id-issuer.ts";
import { temporaryFolder } from "../support/processes.ts";
import { MAY_ALL } from "../support/served-app.ts";
import { testServer } from "../support/server.ts";
import { expectAccessible, hasBrowser, openConsole } from "./browser.ts";
import { stillness } from "./still-page.ts";

describe.skipIf(!hasBrowser)("signing in at an issuer", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase();
  });
  afterAll(() => database.close());

  async function consoleOf(
    environment: Record<string, string>,
    options: Parameters<typeof openConsole>[2] = {},
  ): Promise<Page> {
    const server = await testServer(environment, database);
    onTestFinished(() => server.stop());
    return openConsole(server, "/", { allowed: /401/, ...options });
  }

  /** Presses the button, and gives the window of the issuer. */
  async function askIssuer(page: Page, button = /^Sign in at 127/): Promise<Page> {
    const opened = page.waitForEvent("popup");
    await page.getByRole("button", { name: button }).click();
    return opened;
  }

  test("opens a window that comes back and closes, and says who is there", async () => {
    const issuer = await startOpenIdIssuer();
    const page = await consoleOf(issuer.environment);
    await page.getByRole("button", { name: /^Sign in at/ }).waitFor();
    await expectAccessible(page);
    const popup = await askIssuer(page);
    await popup.getByText("opener: null").waitFor();
    const closed = popup.waitForEvent("close");
    await popup.getByRole("link", { name: "I am Li" }).click();
    await closed;
    await page.getByRole("button", { name: /^support-li · li@example.com/ }).waitFor();
    expect(issuer.grants).toEqual({ authorization_code: 1 });
    const kept = "JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }])";
    expect(await page.evaluate(kept)).not.toMatch(/eyJ|refresh|code/);
  });

  test("says why it did not work, in both languages", async () => {
    const issuer = await startOpenIdIssuer();
    const page = await consoleOf(issuer.environment, {
      allowed: /401|400|Failed to load/,
      colorScheme: "dark",
      locale: "zh-CN",
    });
    const button = /^通过 127.* 登录/;
    let popup = await askIssuer(page, button);
    await popup.getByRole("link", { name: "I am not" }).click();
    await page.getByRole("alert").getByText("Li may not").waitFor();
    await expectAccessible(page);

    issuer.failing = { authorization_code: "no such client" };
    popup = await askIssuer(page, button);
    await popup.getByRole("link", { name: "I am Li" }).click();
    await page.getByRole("alert").getByText("no such client").waitFor();

    issuer.discovery = { token_endpoint: "https://tokens.example/token" };
    await askIssuer(page, button);
    await page.getByRole("alert").getByText("https://tokens.example").waitFor();
  });

  test("a window that was given up signs nobody in", async () => {
    const issuer = await startOpenIdIssuer();
    const callers = await writeCallers(await temporaryFolder(), { app: MAY_ALL });
    const page = await consoleOf({ ...issuer.environment, ...callers });
    const [asked, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    await page.route(`${issuer.url}/token`, async (route) => {
      asked.resolve();
      await answered.promise;
      await route.continue();
    });
    const popup = await askIssuer(page);
    await popup.getByRole("link", { name: "I am Li" }).click();
    await asked.promise;
    await page.getByRole("textbox", { name: "Token" }).fill(tokenOf("app"));
    const still = stillness(page);
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: /^app/ }).waitFor();
    answered.resolve();
    await still();
    await page.getByRole("button", { name: /^app/ }).waitFor();
  });

  test("a token is renewed before it ends, and nobody is asked", async () => {
    const issuer = await startOpenIdIssuer();
    issuer.expiresSeconds = 0;
    const page = await consoleOf(issuer.environment);
    const popup = await askIssuer(page);
    // Its token is to be renewed at once, by the first call.
    await popup.getByRole("link", { name: "I am Li" }).click();
    await page.getByRole("button", { name: /^support-li/ }).waitFor();
    expect(issuer.grants["refresh_token"]).toBeGreaterThan(0);
  });

  test("a token that ended is asked for again, and the page stays as it is", async () => {
    const issuer = await startOpenIdIssuer();
    const page = await consoleOf(issuer.environment, { allowed: /40[014]/ });
    const first = await askIssuer(page);
    // The server takes it for three seconds, and the issuer renews nothing.
    issuer.expiresSeconds = -2;
    issuer.failing = { refresh_token: "the session has ended" };
    await first.getByRole("link", { name: "I am Li" }).click();
    const dialog = page.getByRole("dialog", { name: "Sign in again" });
    const box = page.getByRole("textbox", { name: "What do you look for?" });
    let asked = 0;
    const isAsked = async () => {
      await box.fill(`nobody-${++asked}`);
      await box.press("Enter");
      await page
        .getByText(/^Nothing|any more/)
        .first()
        .waitFor();
      return dialog.isVisible();
    };
    await expect.poll(isAsked).toBe(true);
    await expectAccessible(page);
    issuer.expiresSeconds = 300;
    const again = await askIssuer(page);
    await again.getByRole("link", { name: "I am Li" }).click();
    await dialog.waitFor({ state: "hidden" });
    await page
      .getByText(/^Nothing/)
      .first()
      .waitFor();
    expect(await box.inputValue()).toBe(`nobody-${asked}`);
  });
});

test.each([
  { claims: { email: "li@example.com", name: "Li" }, person: "li@example.com" },
  { claims: { preferred_username: "li", name: "Li" }, person: "li" },
  { claims: { email: "", name: "李 雷" }, person: "李 雷" },
  { claims: { email: 7, name: "Li\u0000\nLei " }, person: "Li Lei" },
  { claims: { name: "𝄞".repeat(200) }, person: "𝄞".repeat(128) },
  { claims: { email: "\u200b", name: "Li" }, person: "Li" },
  { claims: {}, person: undefined },
])("$claims are of $person", ({ claims, person }) => {
  expect(personOf(claims)).toBe(person);
});
