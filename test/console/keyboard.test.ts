import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tokenOf } from "../support/callers.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { serveApp } from "../support/served-app.ts";
import { hasBrowser, openConsole } from "./browser.ts";
import { keysOf } from "./keys.ts";
import { tellStory } from "./story.ts";

describe.skipIf(!hasBrowser)("the console by keyboard alone", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase();
    await tellStory(database.orm);
  });
  afterAll(() => database.close());

  test("from the sign-in to a refund, and on to another language, no mouse is needed", async () => {
    const { server, client } = await serveApp(database);
    const page = await openConsole(server, "/", { allowed: /40[01]/ });
    const heading = (name: RegExp) => page.getByRole("heading", { name }).first().waitFor();
    const keys = keysOf(page);

    await heading(/^Sign in/);
    await keys.tabTo(/^Token/);
    await keys.type(tokenOf("app"));
    await keys.tabTo(/^Your name/);
    await keys.type("Wang Fang");
    await keys.press("Enter");

    // The box has the focus, since nothing else is to be done here.
    await heading(/^Find/);
    await expect.poll(() => page.evaluate("document.activeElement.tagName")).toBe("INPUT");
    await keys.type("ada");
    await keys.press("Enter");

    await heading(/^ada/);
    await page.evaluate("document.activeElement.blur()");
    await keys.tabTo(/^Skip to the content/);
    await keys.press("Enter");
    await keys.tabTo(/^Statement/);
    await keys.press("Enter");

    await page.getByRole("link", { name: "#45", exact: true }).waitFor();
    await keys.tabTo(/^#45$/);
    await keys.press("Enter");
    await heading(/#45/);
    await keys.tabTo(/^Refund/);
    await keys.press("Enter");

    await heading(/^Refund entry #45/);
    await keys.tabTo(/^Reason/);
    await keys.type("the video was of no use");
    await keys.press("Enter");
    await page.getByRole("button", { name: "Confirm" }).waitFor();
    await keys.tabTo(/^Confirm/);
    await keys.press("Enter");
    await heading(/^Done/);
    const { entries } = await client.listEntries({ userId: "ada", pageSize: 1 });
    expect(entries).toMatchObject([
      { points: 30n, actor: "Wang Fang", metadata: { reason: "the video was of no use" } },
    ]);

    await keys.tabTo(/^To the account/);
    await keys.press("Enter");
    await page.getByRole("heading", { name: "Lots" }).waitFor();
    // Alt and the left arrow, which a browser without a window does not take.
    await page.goBack();
    await heading(/^Refund entry #45/);

    await keys.tabTo(/^简体中文/);
    await keys.press("Enter");
    await heading(/#45 退款/);
    await keys.tabTo(/^浅色或深色/);
    await keys.press("Enter");
    await page.locator("[data-mantine-color-scheme=dark]").waitFor();
  });

  test("no screen traps the focus, and each of its stops is seen", async () => {
    const { server } = await serveApp(database);
    const page = await openConsole(server, "/account?user=ada", { allowed: /401/ });
    await page.getByRole("textbox", { name: "Token" }).fill(tokenOf("app"));
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Forecast" }).waitFor();
    await page.evaluate("document.activeElement.blur()");
    const stops = await keysOf(page).stops();
    expect(stops.slice(0, 3)).toEqual(["Skip to the content", "Find", "Overview"]);
    expect(stops).toContain("Statement");
  });
});
