import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tokenOf } from "../support/callers.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { serveApp } from "../support/served-app.ts";
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
    await page.getByRole("textbox", { name: "Token" }).fill(tokenOf("app"));
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: /^app/ }).waitFor();
    const kept = "JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }])";
    expect(await page.evaluate(kept)).not.toContain(tokenOf("app"));
    await page.reload();
    await page.getByRole("textbox", { name: "Token" }).waitFor();
  });
});
