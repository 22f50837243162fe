import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { clientWith, tokenOf, writeCallers } from "../support/callers.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { temporaryFolder } from "../support/processes.ts";
import { MAY_ALL, serveApp } from "../support/served-app.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { hasBrowser, openConsole, testBrowser } from "./browser.ts";
import { stillness } from "./still-page.ts";
import { tellHostileStory } from "./story.ts";
import { HOSTILE_NAME, HOSTILE_TEXT, HOSTILE_USERS } from "./story/hostile.ts";

/** What stops a script that gets onto the page: an error of Trusted Types, and directives of the policy. */
const STOPPED = [
  "TypeError",
  "base-uri",
  "connect-src",
  "frame-src",
  "require-trusted-types-for",
  "script-src-elem",
];

describe.skipIf(!hasBrowser)("what callers write is text", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase();
    await tellHostileStory(database.orm);
  });
  afterAll(() => database.close());

  /** A server whose label and caller, too, are called what an attacker would call them. */
  async function hostileServer(): Promise<TestServer> {
    const hostile = { [HOSTILE_NAME]: { ...MAY_ALL, token: "hostile" } };
    const callers = await writeCallers(await temporaryFolder(), hostile);
    const CONSOLE_LABEL = "red:<img src=x>";
    const server = await testServer({ PROJECT: "on", CONSOLE_LABEL, ...callers }, database);
    onTestFinished(() => server.stop());
    return server;
  }

  test("on every screen of an account, whatever its user is called", async () => {
    const page = await openConsole(await hostileServer(), "/", { allowed: /40[14]/ });
    await page.getByText("<img src=x>").waitFor();
    await signIn(page, HOSTILE_NAME, HOSTILE_TEXT);
    await expectHarmless(page, HOSTILE_TEXT);
    for (const user of HOSTILE_USERS) {
      await open(page, "/account", { user }, HOSTILE_NAME);
      await page.getByRole("heading", { level: 1, name: user, exact: true }).waitFor();
    }
    const user = HOSTILE_NAME;
    await open(page, "/statement", { user }, HOSTILE_TEXT);
    for (const sequence of ["1", "2", "3", "4", "5"]) {
      await open(page, "/entry", { user, sequence }, HOSTILE_TEXT);
    }
    await open(page, "/movements", { user }, HOSTILE_NAME);
    for (const [act, of] of [
      ["recharge", ""],
      ["refund", "3"],
      ["revoke", "1"],
      ["release", "5"],
      ["policy", HOSTILE_NAME],
      [HOSTILE_NAME, HOSTILE_NAME],
    ] as const) {
      await open(page, "/act", { user, act, of }, user);
    }
  });

  test("in what is found, and in what an address asks for", async () => {
    const page = await openConsole(await hostileServer(), "/", { allowed: /40[014]/ });
    await signIn(page, HOSTILE_NAME);
    for (const q of [...HOSTILE_USERS, HOSTILE_TEXT, `order=${HOSTILE_TEXT}`, "javascript:1"]) {
      await open(page, "/", { q });
    }
    const text = HOSTILE_TEXT;
    const filters = { kind: text, service: text, member: text, actor: text, from: text, to: text };
    await open(page, "/account", { user: text }, text);
    await open(page, "/statement", { user: text, ...filters }, text);
    await open(page, "/entry", { user: text, sequence: text }, text);
    await open(page, "/movements", { user: text, from: text, to: text }, text);
    await open(page, "/act", { user: text, act: text, of: text }, text);
    await open(page, "/<script>hacked=8</script>", {});
    await open(page, "/overview", { days: text });
  });

  test("a script that gets onto the page all the same is stopped by its policy", async () => {
    const page = await openConsole(await hostileServer(), "/", {
      allowed: /401|Content.Security.Policy|Trusted/i,
    });
    const stopped = await page.evaluate(`(async () => {
      const stopped = [];
      addEventListener("securitypolicyviolation", (event) => stopped.push(event.effectiveDirective));
      const tried = async (act) => { try { await act(); } catch (error) { stopped.push(error.name); } };
      const script = document.createElement("script");
      await tried(() => { script.textContent = "hacked = 1"; document.body.append(script); });
      await tried(() => { document.body.innerHTML += "<img src=x onerror='hacked = 2'>"; });
      await tried(() => setTimeout("hacked = 3"));
      await tried(() => document.body.setAttribute("onclick", "hacked = 4"));
      document.body.click();
      await tried(() => import("data:text/javascript,hacked = 5"));
      await tried(() => fetch("https://elsewhere.example/"));
      const frame = document.createElement("iframe");
      frame.src = "https://elsewhere.example/";
      document.body.append(frame);
      const link = document.createElement("a");
      link.href = "javascript:hacked = 6";
      link.click();
      const base = document.createElement("base");
      base.href = "https://elsewhere.example/";
      document.head.append(base);
      const all = ${JSON.stringify(STOPPED)};
      while (!all.every((one) => stopped.includes(one))) await new Promise((r) => setTimeout(r, 20));
      return [...new Set(stopped)].sort();
    })()`);
    expect(await page.evaluate("window.hacked")).toBeUndefined();
    expect(stopped).toEqual(expect.arrayContaining(STOPPED));
  });
});

/**
 * Goes to another address of the console without loading the page anew, and looks at it once it is whole.
 *
 * @param shown what must be on the page as it was written
 */
async function open(
  page: Page,
  path: string,
  query: Record<string, string>,
  shown?: string,
): Promise<void> {
  const still = stillness(page);
  // Each screen names itself and what it is about, at last: the one before is gone then.
  await page.evaluate(`document.title = "before"`);
  const address = `/console${path}?${String(new URLSearchParams(query))}`;
  await page.evaluate(`history.pushState({}, "", ${JSON.stringify(address)})`);
  // What is no screen has no name.
  const isNamed = async () => path.includes("<") || (await page.title()) !== "before";
  await expect.poll(isNamed).toBe(true);
  await still();
  await expectHarmless(page, shown);
}

/**
 * Nothing of what callers wrote was run, or became a part of the page.
 *
 * @param shown what must be on the page as it was written
 */
async function expectHarmless(page: Page, shown?: string): Promise<void> {
  if (shown !== undefined) await page.getByText(shown).first().waitFor({ state: "attached" });
  const found = await page.evaluate(`({
    hacked: window.hacked,
    images: document.querySelectorAll("img, iframe, object, embed").length,
    scripts: [...document.scripts].filter((one) => !one.src.startsWith(origin + "/console/assets/")).length,
    links: [...document.querySelectorAll("a[href], form[action], [formaction], use")]
      .map((one) => one.href ?? one.action)
      .filter((to) => !String(to).startsWith(origin + "/console/") && !String(to).startsWith("blob:" + origin)),
    handlers: [...document.querySelectorAll("*")]
      .filter((one) => [...one.attributes].some(({ name }) => name.startsWith("on"))).length,
  })`);
  expect(found).toEqual({ hacked: undefined, images: 0, scripts: 0, links: [], handlers: 0 });
}

describe.skipIf(!hasBrowser)("a page of another origin", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase();
  });
  afterAll(() => database.close());

  /** A page that somebody else has, with this in it. */
  async function foreignPage(html: string): Promise<Page> {
    const foreign = createServer((_, answer) => {
      answer.writeHead(200, { "content-type": "text/html" }).end(html);
    }).listen(0, "127.0.0.1");
    await once(foreign, "listening");
    const context = await (await testBrowser()).newContext();
    onTestFinished(async () => {
      await context.close();
      foreign.closeAllConnections();
      foreign.close();
    });
    const page = await context.newPage();
    await page.goto(`http://localhost:${(foreign.address() as AddressInfo).port}/`);
    return page;
  }

  test("cannot frame the console (clickjacking)", async () => {
    const { server } = await serveApp(database);
    const page = await foreignPage(`<iframe src="${server.baseUrl}/console/"></iframe>`);
    const frame = page.frames().find((one) => one !== page.mainFrame())!;
    await expect.poll(() => frame.url()).toBe("chrome-error://chromewebdata/");
    const { headers } = await fetch(`${server.baseUrl}/console/`);
    expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(headers.get("x-frame-options")).toBe("DENY");
  });

  test("cannot call the RPCs, nor read, open or load what is the console's", async () => {
    const { server } = await serveApp(database);
    const signedIn = await openConsole(server, "/", { allowed: /401/ });
    await signIn(signedIn, "app");
    const page = await foreignPage("");
    const outcomes = await page.evaluate(`(async () => {
      const url = ${JSON.stringify(server.baseUrl)};
      const call = (options) => fetch(url + "/points.v1.LedgerService/GetLedger", {
        method: "POST", body: "{}", credentials: "include", ...options,
      }).then((answer) => answer.status + answer.type, (error) => error.name);
      const load = (tag, src) => new Promise((resolve) => {
        const part = Object.assign(document.createElement(tag), { src });
        part.onload = () => resolve("loaded");
        part.onerror = () => resolve("refused");
        document.body.append(part);
      });
      const popup = open(url + "/console/");
      return {
        json: await call({ headers: { "content-type": "application/json" } }),
        simple: await call({ mode: "no-cors" }),
        page: await fetch(url + "/console/").then(() => "read", (error) => error.name),
        settings: await load("script", url + "/console/config.json"),
        popup: await new Promise((resolve) => {
          const look = () => popup === null || popup.closed ? resolve("gone") : setTimeout(look, 10);
          look();
        }),
      };
    })()`);
    // The answer of the simple call is opaque: it was refused, and is not to be read either.
    expect(outcomes).toEqual({
      json: "TypeError",
      simple: expect.stringMatching(/^0opaque|TypeError/) as string,
      page: "TypeError",
      settings: "refused",
      popup: "gone",
    });
  });
});

describe.skipIf(!hasBrowser)("a caller who is withdrawn in the middle", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase();
  });
  afterAll(() => database.close());

  test("signs in again over the form, which goes on as it was", async () => {
    const { server, client, become } = await serveApp(database);
    await client.recharge({ userId: "ada", points: 10n });
    const path = "/act?user=ada&act=recharge";
    const page = await openConsole(server, path, { allowed: /401/ });
    await signIn(page, "app", "Li Lei");
    const form = page.getByRole("main");
    await form.getByLabel("Points").fill("7");
    await form.getByLabel("Days to live").fill("30");
    await form.getByLabel("Reason").fill("a video failed");
    await form.getByText("Li Lei").waitFor();
    await become({ next: MAY_ALL });
    await form.getByRole("button", { name: "Preview" }).click();
    const dialog = page.getByRole("dialog", { name: "Sign in again" });
    await dialog.getByRole("textbox", { name: "Token" }).fill(tokenOf("next"));
    expect(await dialog.getByLabel("Your name").inputValue()).toBe("Li Lei");
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "hidden" });
    await page.getByRole("button", { name: /^next · Li Lei/ }).waitFor();
    expect(await form.getByLabel("Points").inputValue()).toBe("7");
    expect(await form.getByLabel("Reason").inputValue()).toBe("a video failed");
    await form.getByRole("button", { name: "Preview" }).click();
    await form.getByRole("button", { name: "Confirm" }).click();
    await form.getByText("The entry is written.").waitFor();
    const asNext = clientWith(server.baseUrl, tokenOf("next"));
    const { entry } = await asNext.getEntry({ userId: "ada", by: { case: "sequence", value: 2n } });
    expect(entry).toMatchObject({ caller: "next", actor: "Li Lei", points: 7n });
  });

  test("leaves nothing of what they were answered beside the refusal of the next one", async () => {
    const { server, client, become } = await serveApp(database);
    await client.recharge({ userId: "eva", points: 4_321n });
    const page = await openConsole(server, "/account?user=eva", { allowed: /40[13]/ });
    await signIn(page, "app");
    await page.getByText("4,321").first().waitFor();
    // The stream is refused first: nobody presses anything.
    await become({ next: { scopes: ["points.read"], prefix: "other-" } });
    const dialog = page.getByRole("dialog", { name: "Sign in again" });
    await dialog.getByRole("textbox", { name: "Token" }).fill(tokenOf("next"));
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: /^next/ }).waitFor();
    await page.getByText("You may see only users whose ids begin with other-").first().waitFor();
    expect(await page.getByText("4,321").count()).toBe(0);
  });

  test("is shown nothing of the last caller's after signing out", async () => {
    const { server, client } = await serveApp(database, MAY_ALL);
    await client.recharge({ userId: "ada", points: 10n });
    const page = await openConsole(server, "/account?user=ada", { allowed: /401/ });
    await signIn(page, "app");
    await page.getByRole("heading", { level: 1, name: "ada" }).waitFor();
    await page.getByRole("button", { name: /^app/ }).click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("textbox", { name: "Token" }).waitFor();
    expect(await page.getByText("ada").count()).toBe(0);
  });
});

async function signIn(page: Page, caller: string, person = ""): Promise<void> {
  // No token may have the signs of that name.
  const token = tokenOf(caller === HOSTILE_NAME ? "hostile" : caller);
  await page.getByRole("textbox", { name: "Token" }).fill(token);
  await page.getByRole("textbox", { name: "Your name" }).fill(person);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: new RegExp(`^${caller}`) }).waitFor();
}
