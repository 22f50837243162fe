import { fromBinary } from "@bufbuild/protobuf";
import type { Page, Request } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ListLotsRequestSchema, Shortfall } from "../../gen/points/v1/points_pb.ts";
import { CalendarUnit } from "../../gen/points/v1/policy_pb.ts";
import type { Api } from "../support/api.ts";
import { tokenOf } from "../support/callers.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { serveApp } from "../support/served-app.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { expectAccessible, hasBrowser, openConsole } from "./browser.ts";
import { oneAddress } from "./one-address.ts";

describe.skipIf(!hasBrowser)("the screen of an account", () => {
  let database: TestDatabase;
  let server: TestServer;
  beforeAll(async () => {
    database = await testDatabase();
    server = await testServer({}, database);
    await playAda(server.client);
    await playDebtor(server.client);
  });
  afterAll(async () => {
    await server.stop();
    await database.close();
  });

  test("shows figures that add up, and says what expires next", async () => {
    const page = await openConsole(server, "/account?user=ada");
    const figures = section(page, "Figures");
    await figures.getByText(/^30 points expire in 3 days, on /).waitFor();
    expect(await figureOf(page, "balance")).toBe("1,573");
    expect(await figureOf(page, "frozen")).toBe("90");
    expect(await figureOf(page, "debt")).toBe("0");
    await figures.getByText("Both sides are 1,700.").waitFor();
    const sums = figures.locator("dl > div").filter({ hasText: "Together" });
    expect(await sums.getByRole("definition").allInnerTexts()).toEqual(["1,700", "1,700"]);
    expect(await page.title()).toBe("Account of ada · Points");
    await section(page, "Forecast").getByRole("img", { name: "The balance by itself" }).waitFor();
    await expectAccessible(page);
  });

  test("shows lots in burn order, holds with what they are for, and policies in sentences", async () => {
    const page = await openConsole(server, "/account?user=ada");
    const lots = section(page, "Lots").getByRole("listitem");
    await section(page, "Lots").getByText("4 lots").waitFor();
    const texts = (await lots.allInnerTexts()).map((text) => text.replaceAll(/\s+/g, " "));
    expect(texts.map((text) => text.match(/^#\d+/)?.[0])).toEqual(["#8", "#7", "#6", "#9"]);
    expect(texts[0]).toMatch(
      /campaign only tts, video 43 left 37 used or revoked of 80 .* in 28 days$/,
    );
    expect(texts[1]).toMatch(/gift 30 left 90 frozen of 120 .* in 3 days$/);
    expect(texts[2]).toMatch(/paid 300 left of 300 Never expires$/);
    expect(texts[3]).toMatch(/priority 5 1,200 left of 1,200 Never expires$/);

    const holds = section(page, "Open holds").getByRole("listitem");
    await holds.getByText("reason: <img src=x onerror=alert(1)>").waitFor();
    await holds.filter({ hasText: "for Li · batch-7" }).getByText("90 of 90").waitFor();

    const policies = section(page, "Policies").getByRole("listitem");
    await policies
      .getByText("At most 1,000 points a day, by the clock of Asia/Shanghai.")
      .waitFor();
    await policies.getByText(/^\d+ of 1,000 spent, \d+ left\. Counts anew from /).waitFor();
    await policies.getByText("Li: 37 of 300 spent").waitFor();
    await policies.getByText("What each has spent is not known here").waitFor();
    await policies
      .getByText(
        /^100 points every 2 months from .*, by the clock of Europe\/Berlin, each living 2/,
      )
      .waitFor();
    await policies.getByText(/^Next on /).waitFor();
  });

  test("shows debt, claims and lots that only some services may take", async () => {
    const page = await openConsole(server, "/account?user=debtor", { colorScheme: "dark" });
    await section(page, "Lots").getByText("30 still claimed").waitFor();
    expect(await figureOf(page, "debt")).toBe("120");
    await section(page, "Lots").getByText("only tts").waitFor();
    await section(page, "Policies").getByText("It owes 120 now.").waitFor();
    await section(page, "Forecast").getByRole("columnheader", { name: "Debt after" }).waitFor();
    await expectAccessible(page);
  });

  test("foretells what happens by itself until the horizon that is chosen", async () => {
    const page = await openConsole(server, "/account?user=ada", { locale: "zh-CN" });
    const forecast = section(page, "预测");
    const soon = await forecast.getByRole("row").count();
    await forecast.getByRole("combobox", { name: "预测范围" }).selectOption("365");
    await expect.poll(() => forecast.getByRole("row").count()).toBeGreaterThan(soon);
    await section(page, "积分概况")
      .getByText(/^30 积分将在 3 天后过期/)
      .waitFor();
    await expectAccessible(page);
    await server.client.getOrCreate({ userId: "new" });
    await page.goto(`${server.baseUrl}/console/account?user=new`);
    const nothing = forecast.getByText(/^.+ 之前不会自动变化。$/);
    const said = await nothing.innerText();
    let answer = () => {};
    const isToAnswer = new Promise<void>((done) => (answer = done));
    await page.route("**/GetForecast", (route) => isToAnswer.then(() => route.continue()));
    const asked = page.waitForRequest("**/GetForecast");
    await forecast.getByRole("combobox", { name: "预测范围" }).selectOption("365");
    await asked;
    expect(await nothing.innerText()).toBe(said);
    answer();
    await expect.poll(() => nothing.innerText()).not.toBe(said);
  });

  test("shows more lots than a page has bit by bit", async () => {
    const operations = Array.from({ length: 120 }, (_, number) => {
      const expiration = lasting(1 + ((number * 7) % 700));
      const value = { userId: "many", points: 10n, expiration };
      return { operation: { case: "recharge", value } } as const;
    });
    await server.client.applyBatch({ operations });
    const page = await openConsole(server, "/account?user=many", { viewport: NARROW });
    const lots = section(page, "Lots");
    for (const shown of ["The first 10 lots", "The first 110 lots"]) {
      await lots.getByText(shown).waitFor();
      await lots.getByRole("button", { name: "Show more" }).click();
    }
    await lots.getByText("120 lots").waitFor();
    expect(await lots.getByRole("listitem").count()).toBe(120);
    const scrolls = "document.documentElement.scrollWidth > innerWidth";
    expect(await page.evaluate(scrolls)).toBe(false);
  });

  test("changes by itself, but not while it is hidden, and stops when it is left", async () => {
    await server.client.recharge({ userId: "live", points: 100n });
    const page = await openConsole(server, "/account?user=live");
    await page.getByRole("status").getByText("Live").waitFor();
    await section(page, "Lots").getByText("100 left").waitFor();
    // A standby that lags may not give lots from before the entry that changed the figures.
    const lotsOfChange = page.waitForRequest(
      (request) => request.url().endsWith("/ListLots") && leastOf(request) === 2n,
    );
    await server.client.consume({ userId: "live", cost: { case: "points", value: 37n } });
    await lotsOfChange;
    await expect.poll(() => figureOf(page, "balance")).toBe("63");
    await section(page, "Lots").getByText("63 left").waitFor();
    const unwatched = () =>
      page.waitForEvent("requestfailed", (request) => request.url().endsWith("/WatchAccount"));
    const hidden = unwatched();
    await showTab(page, "hidden");
    await hidden;
    await server.client.consume({ userId: "live", cost: { case: "points", value: 3n } });
    await showTab(page, "visible");
    await section(page, "Lots").getByText("60 left").waitFor();
    const left = unwatched();
    await page.getByRole("link", { name: "Find" }).click();
    await left;
  });

  test("is live again once a server that was gone has come back", async () => {
    await server.client.recharge({ userId: "again", points: 100n });
    const gone = await testServer({}, database);
    const address = await oneAddress(gone);
    const allowed = /ERR_|Failed to load/;
    const page = await openConsole(address, "/account?user=again", { allowed });
    await page.getByRole("status").getByText("Live").waitFor();
    address.leadTo(undefined);
    await gone.stop();
    await page.getByRole("status").getByText("Connection lost, trying again").waitFor();
    await server.client.consume({ userId: "again", cost: { case: "points", value: 60n } });
    address.leadTo(server);
    await page.getByRole("status").getByText("Live").waitFor();
    await expect.poll(() => figureOf(page, "balance")).toBe("40");
    await section(page, "Lots").getByText("40 left").waitFor();
  });

  test("offers only acts that the caller may do", async () => {
    const app = await serveApp(database, { scopes: ["points.read"] });
    const page = await openConsole(app.server, "/account?user=ada", { allowed: /401/ });
    await page.getByRole("textbox", { name: "Token" }).fill(tokenOf("app"));
    await page.keyboard.press("Enter");
    await section(page, "Policies").getByText("low", { exact: true }).waitFor();
    await section(page, "Open holds").getByText("90 of 90").waitFor();
    const acts = page.locator("a[href*='/act']");
    expect(await acts.count()).toBe(0);
    await page.goto(`${server.baseUrl}/console/account?user=ada`);
    await section(page, "Open holds")
      .getByRole("link", { name: /^Release … hold \d+$/ })
      .waitFor();
    await section(page, "Policies").getByRole("link", { name: "End … policy low" }).waitFor();
    const offered = await page.getByRole("navigation", { name: "Acts" }).allInnerTexts();
    expect(offered.join().split(/\s*\n\s*/)).toEqual([
      "Recharge …",
      "Revoke …",
      "Expire …",
      "Set policy …",
    ]);
  });

  test("says that there is no account of a name, whatever it is, until there is one", async () => {
    const allowed = /404/;
    const page = await openConsole(server, "/account", { allowed, viewport: NARROW });
    await page.getByRole("heading", { name: "No user is named" }).waitFor();
    const odd = "<img/src=x/onerror=alert(1)>/%2F?user=ada#";
    for (const userId of ["..", odd.padEnd(128, "x")]) {
      const query = String(new URLSearchParams({ user: userId }));
      await page.goto(`${server.baseUrl}/console/account?${query}`);
      await page.getByRole("heading", { name: `There is no account ${userId}` }).waitFor();
      await page.getByRole("link", { name: "Find another" }).waitFor();
      await server.client.recharge({ userId, points: 5n });
      await page.reload();
      await page.getByRole("heading", { name: userId, level: 1, exact: true }).waitFor();
      await section(page, "Lots").getByText("5 left").waitFor();
    }
  });
});

const NARROW = { width: 400, height: 800 };

function section(page: Page, name: string) {
  return page.getByRole("region", { name, exact: true });
}

function figureOf(page: Page, name: "balance" | "frozen" | "debt"): Promise<string> {
  return page.locator(`[data-figure=${name}] dd > span`).first().innerText();
}

function leastOf(request: Request): bigint {
  return fromBinary(ListLotsRequestSchema, request.postDataBuffer()!).minSequence;
}

/** Acts as the browser does when somebody opens another tab, or comes back. */
function showTab(page: Page, state: "hidden" | "visible"): Promise<unknown> {
  return page.evaluate(
    `Object.defineProperty(document, "visibilityState", { value: "${state}", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"))`,
  );
}

function lasting(days: number) {
  return { case: "ttl", value: { seconds: BigInt(days * 86_400), nanos: 0 } } as const;
}

/** Lots of each kind, a hold, and each kind of policy. */
async function playAda(client: Api): Promise<void> {
  const userId = "ada";
  const span = { case: "calendar", value: CalendarUnit.DAY } as const;
  const day = { span, timeZone: "Asia/Shanghai" };
  const everyOther = { count: 2, unit: CalendarUnit.MONTH };
  const limit = { case: "limit", value: { points: 1_000n, window: day } } as const;
  await client.putPolicy({ userId, policy: { name: "daily", rule: limit } });
  // In all: a day could end between the charge and the page.
  const total = { span: { case: "total", value: true } } as const;
  const each = { points: 300n, eachMember: true, window: total };
  for (const service of ["tts", "unpriced"]) {
    const limitOfEach = { case: "limit", value: { ...each, service } } as const;
    await client.putPolicy({ userId, policy: { name: `each-${service}`, rule: limitOfEach } });
  }
  const alert = { case: "alert", value: { below: 100n } } as const;
  await client.putPolicy({ userId, policy: { name: "low", rule: alert } });
  const later = BigInt(Math.floor(Date.now() / 1_000) + 40 * 86_400);
  const allowance = {
    points: 100n,
    every: everyOther,
    timeZone: "Europe/Berlin",
    startTime: { seconds: later, nanos: 0 },
    expiration: { case: "periods", value: 2 } as const,
  };
  const rule = { case: "allowance", value: allowance } as const;
  await client.putPolicy({ userId, policy: { name: "bimonthly", rule } });
  await client.recharge({ userId, points: 300n, category: "paid" });
  await client.recharge({ userId, points: 120n, category: "gift", expiration: lasting(3) });
  const services = ["tts", "video"];
  const campaign = { category: "campaign", services, expiration: lasting(28) };
  await client.recharge({ userId, points: 80n, ...campaign });
  await client.recharge({ userId, points: 1_200n, priority: 5 });
  const seconds = { case: "duration", value: { seconds: 37n, nanos: 0 } } as const;
  const speech = { service: "tts", amount: seconds };
  await client.consume({ userId, cost: { case: "usage", value: speech }, member: "Li" });
  await client.freeze({
    userId,
    cost: { case: "points", value: 90n },
    member: "Li",
    actor: "batch-7",
    metadata: { reason: "<img src=x onerror=alert(1)>" },
  });
}

/** A lot that was revoked while a hold had some of it, and more spent than there was. */
async function playDebtor(client: Api): Promise<void> {
  const userId = "debtor";
  const line = { case: "creditLine", value: { points: 500n } } as const;
  await client.putPolicy({ userId, policy: { name: "credit", rule: line } });
  const { entry } = await client.recharge({ userId, points: 100n, expiration: lasting(30) });
  await client.recharge({ userId, points: 40n, services: ["tts"] });
  await client.freeze({ userId, cost: { case: "points", value: 30n } });
  const target = { case: "lot", value: entry!.sequence } as const;
  await client.revoke({ userId, target, onShortfall: Shortfall.TAKE });
  const cost = { case: "points", value: 120n } as const;
  await client.consume({ userId, cost, onShortfall: Shortfall.OWE });
}
