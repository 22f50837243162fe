import { create, toBinary } from "@bufbuild/protobuf";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readingsOf } from "../../console/find/readings.ts";
import { SearchEntriesResponseSchema } from "../../gen/points/v1/ledger_pb.ts";
import { tokenOf } from "../support/callers.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { projectAll } from "../support/projected.ts";
import { points } from "../support/requests.ts";
import { serveApp } from "../support/served-app.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { expectAccessible, hasBrowser, openConsole } from "./browser.ts";
import { stillness } from "./still-page.ts";

test.each([
  ["ada", { user: "ada", requestId: "ada", actor: "ada" }],
  [" ada\n", { user: "ada", requestId: "ada", actor: "ada" }],
  ["Li Wei", { actor: "Li Wei" }],
  ["actor:Li Wei", { actor: "Li Wei" }],
  ["ada#42", { user: "ada#42", requestId: "ada#42", entry: { user: "ada", sequence: 42n } }],
  ["a#b#7", { user: "a#b#7", requestId: "a#b#7", entry: { user: "a#b", sequence: 7n } }],
  ["ada#0", { user: "ada#0", requestId: "ada#0" }],
  [
    "order=8157",
    {
      user: "order=8157",
      requestId: "order=8157",
      metadata: { key: "order", value: "8157" },
    },
  ],
  ["note = two words=", { metadata: { key: "note", value: "two words=" } }],
  ["=8157", { user: "=8157", requestId: "=8157" }],
  [`${"k".repeat(65)}=v v`, {}],
  ["x".repeat(129), {}],
  ["..", { user: "..", requestId: "..", actor: ".." }],
  ["", {}],
])("%j may be %o", (text, readings) => {
  expect(readingsOf(text)).toEqual(readings);
});

const HOSTILE = "<img/src=x/onerror=alert(1)>";

describe.skipIf(!hasBrowser)("Find", () => {
  let database: TestDatabase;
  let server: TestServer;
  beforeAll(async () => {
    database = await testDatabase();
    server = await testServer({}, database);
    const { client } = server;
    for (const userId of ["ada", "ada2", "..", HOSTILE]) {
      await client.recharge({
        userId,
        points: 100n,
        requestId: "order-8157",
        metadata: { order: "8157" },
        actor: "Ana",
      });
    }
    await client.consume({ userId: "ada", cost: points(7n), requestId: "job-1", actor: "Li" });
    await projectAll(database, ["order"]);
  });
  afterAll(async () => {
    await server.stop();
    await database.close();
  });

  // What is not there is answered with 404, what cannot be searched with 400, what is denied with 403.
  const open = (path: string, options = {}) =>
    openConsole(server, path, { allowed: /40[034]/, ...options });
  const find = async (page: Page, text: string) => {
    await page.getByRole("textbox", { name: "What do you look for?" }).fill(text);
    await page.keyboard.press("Enter");
  };
  const shows = async (page: Page, path: string, query: Record<string, string>) => {
    await page.waitForURL(
      ({ pathname, searchParams }) =>
        pathname === `/console${path}` &&
        Object.entries(query).every(([key, value]) => searchParams.get(key) === value),
    );
  };

  test("a user id opens the account by keyboard alone; back leads to before the search", async () => {
    const page = await open("/");
    await page.locator("input:focus").waitFor();
    await page.keyboard.type("ada ");
    await page.keyboard.press("Enter");
    await shows(page, "/account", { user: "ada" });
    await page.goBack();
    await page.getByRole("link", { name: "ada", exact: true }).waitFor();
    expect(new URL(page.url()).search).toBe("");
    await expectAccessible(page);
    await page.getByRole("button", { name: "Forget" }).click();
    await page.getByText("Found lately in this tab").waitFor({ state: "detached" });
  });

  test("an entry by its name opens the entry", async () => {
    const page = await open("/");
    await find(page, "ada#2");
    await shows(page, "/entry", { user: "ada", sequence: "2" });
  });

  test("a user id is opened whatever it looks like, and is nothing but a text", async () => {
    const page = await open("/");
    for (const user of ["..", HOSTILE]) {
      await find(page, user);
      await shows(page, "/account", { user });
      await page.goBack();
    }
    await page.getByRole("link", { name: HOSTILE }).waitFor();
  });

  test("metadata, request ids and actors find entries of all users, as of an instant", async () => {
    const page = await open("/?q=order%3D8157");
    const entries = page.getByRole("region", { name: /metadata order=8157/ }).getByRole("row");
    await expect.poll(() => entries.count()).toBe(5);
    await page
      .getByText(/From the index as of .* all that was committed before is in it/)
      .first()
      .waitFor();
    await expectAccessible(page);
    await find(page, "order-8157");
    await page.getByRole("heading", { name: "Entries of the request id order-8157" }).waitFor();
    await find(page, "actor:Li");
    await page.getByRole("heading", { name: "Entries of the actor Li" }).waitFor();
    await page.getByRole("link", { name: "#2" }).click();
    await shows(page, "/entry", { user: "ada", sequence: "2" });
  });

  test("pages without an entry are gone through, up to one that fails", async () => {
    const page = await open("/", { allowed: /500/ });
    let asked = 0;
    const empty = toBinary(
      SearchEntriesResponseSchema,
      create(SearchEntriesResponseSchema, { nextPageToken: "next" }),
    );
    await page.route("**/points.v1.LedgerService/SearchEntries", (route) => {
      asked += 1;
      if (asked > 2) return route.fulfill({ status: 500, json: { code: "internal" } });
      return route.fulfill({ contentType: "application/proto", body: Buffer.from(empty) });
    });
    const still = stillness(page);
    await find(page, "actor:Li Wei");
    await page.getByRole("alert").getByText("Something went wrong").waitFor();
    await still();
    expect(asked).toBe(3);
    await page.getByRole("button", { name: "Try again" }).click();
    await expect.poll(() => asked).toBe(4);
  });

  test("the beginning of an id shows the users that begin so", async () => {
    const page = await open("/?q=ad");
    const users = page.getByRole("region", { name: "Users whose ids begin with ad" });
    await users.first().waitFor();
    expect(await users.first().getByRole("link").allTextContents()).toEqual(["ada", "ada2"]);
  });

  test("what is not there is said with where it was looked for and what might be meant", async () => {
    const page = await open("/?q=AdaX", { locale: "zh-CN", colorScheme: "dark" });
    await page.getByText("未找到“AdaX”").waitFor();
    await page.getByText("账户 AdaX：未找到。").waitFor();
    await page.getByText("请求 ID 为 AdaX 的记录：未找到。").waitFor();
    await expectAccessible(page);
    await page.getByRole("link", { name: /区分大小写。查找 adax/ }).waitFor();
    await page.getByRole("link", { name: "按 ID 开头查找用户：Ad" }).click();
    await page.getByText("未找到“Ad”").waitFor();
  });

  test("a key that SEARCH_KEYS does not name is said, with what to do", async () => {
    const page = await open("/?q=ticket%3D1");
    await page.getByText(/The key ticket is not in the index: name it in SEARCH_KEYS/).waitFor();
  });

  test("who may not search finds by id alone, and is told so", async () => {
    const { server: other } = await serveApp(database, { scopes: ["points.read"], prefix: "ada" });
    const page = await openConsole(other, "/", { allowed: /40[134]/ });
    await page.getByRole("textbox", { name: "Token" }).fill(tokenOf("app"));
    await page.keyboard.press("Enter");
    await page.getByText("takes the scope points.audit").waitFor();
    await find(page, "bob");
    await page.getByText("you may see only users whose ids begin with ada").waitFor();
    await find(page, "ada2");
    await shows(page, "/account", { user: "ada2" });
  });
});
