import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EntryKind, type Entry } from "../../gen/points/v1/account_pb.ts";
import { GetEntryResponseSchema, Shortfall } from "../../gen/points/v1/points_pb.ts";
import { tokenOf } from "../support/callers.ts";
import { consume, recharge } from "../support/commands.ts";
import { commitAll } from "../support/commit-all.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { MAY_ALL, serveApp } from "../support/served-app.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { stoppedClock } from "../support/stopped-clock.ts";
import { expectAccessible, hasBrowser, openConsole } from "./browser.ts";

// The browser itself says so of each answer that is an error.
const REFUSED = { allowed: /Failed to load resource/ };

describe.skipIf(!hasBrowser)("acts", () => {
  let database: TestDatabase;
  let server: TestServer;
  beforeAll(async () => {
    database = await testDatabase();
    server = await testServer({}, database);
  });
  afterAll(async () => {
    await server.stop();
    await database.close();
  });

  /** An account with 100 points in lot 1, of which entry 2 has spent 30 and hold 3 has 20. */
  async function account(userId: string): Promise<string> {
    await server.client.recharge({ userId, points: 100n, category: "paid" });
    await server.client.consume({ userId, cost: { case: "points", value: 30n } });
    const ttl = { seconds: 3_600n };
    const cost = { case: "points", value: 20n } as const;
    await server.client.freeze({ userId, cost, expiration: { case: "ttl", value: ttl } });
    return userId;
  }

  async function entriesAfter(userId: string, sequence: bigint): Promise<Entry[]> {
    const { entries } = await server.client.listEntries({ userId });
    return entries.filter((entry) => entry.sequence > sequence);
  }

  test("a refund by keyboard alone does what it showed before, and says who asked and why", async () => {
    const user = await account("by-keyboard");
    const page = await openConsole(server, `/act?user=${user}&act=refund&of=2`);
    await page.getByRole("textbox", { name: "Points" }).focus();
    await page.keyboard.type("10");
    for (const text of ["", "the job failed", "Li", "T-7"]) {
      await page.keyboard.press("Tab");
      if (text !== "") await page.keyboard.type(text);
    }
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Preview" }).and(page.locator(":focus")).waitFor();
    const shown = await page.getByRole("table").innerText();
    expect(shown).toMatch(/Balance\s+50\s+\+10\s+60/);
    expect(await entriesAfter(user, 3n)).toEqual([]);
    await expectAccessible(page);
    // The boxes of the tables take the focus too, so that keys scroll them.
    const confirm = page.getByRole("button", { name: "Confirm" }).and(page.locator(":focus"));
    for (let stops = 0; (await confirm.count()) === 0 && stops < 5; stops += 1) {
      await page.keyboard.press("Tab");
    }
    await confirm.waitFor();
    await page.keyboard.press("Enter");
    await page.getByText("The entry is written.").waitFor();
    expect(await page.getByRole("table").innerText()).toBe(shown);
    await page.getByRole("link", { name: "#4" }).waitFor();
    expect(await page.title()).toBe(`Refund entry #2 · ${user} · Points`);
    const [entry, ...others] = await entriesAfter(user, 3n);
    expect(others).toEqual([]);
    expect(entry).toMatchObject({
      kind: EntryKind.REFUND,
      points: 10n,
      refersTo: 2n,
      actor: "Li",
      metadata: { reason: "the job failed", ticket: "T-7" },
    });
    expect(entry?.requestId).toMatch(/^console-[0-9a-f]{32}$/);
  });

  test.each<[string, Record<string, string>, object]>([
    [
      "recharge",
      { points: "5", days: "30", category: "gift" },
      { kind: EntryKind.RECHARGE, points: 5n },
    ],
    ["revoke", { points: "5" }, { kind: EntryKind.REVOKE, points: 5n }],
    ["revoke&of=1", { shortfall: "take" }, { kind: EntryKind.REVOKE, points: 50n, uncovered: 50n }],
    ["expire&of=1", {}, { kind: EntryKind.EXPIRE, points: 50n }],
    ["expire", { points: "7" }, { kind: EntryKind.EXPIRE, points: 7n }],
    ["release&of=3", {}, { kind: EntryKind.RELEASE, points: 20n, refersTo: 3n }],
    ["policy", { rule: "limit", name: "cap", points: "9" }, { kind: EntryKind.SET_POLICY }],
  ])("%s is done once, however often its button is pressed", async (act, typed, expected) => {
    const user = await account(`does-${act.replaceAll(/\W/g, "-")}-${Object.keys(typed).length}`);
    const page = await openConsole(server, `/act?user=${user}&act=${act}`);
    await fill(page, typed);
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("button", { name: "Confirm" }).dblclick();
    await page.getByText("The entry is written.").waitFor();
    const entries = await entriesAfter(user, 3n);
    expect(entries).toMatchObject([{ ...expected, actor: "Li", metadata: { reason: "sorry" } }]);
  });

  test("a preview counts what a claim takes at once, and so does what was done", async () => {
    const userId = await account("claimed");
    const target = { case: "lot", value: 1n } as const;
    const onShortfall = Shortfall.TAKE;
    await server.client.revoke({ userId, target, lotPoints: 65n, onShortfall });
    const page = await openConsole(server, `/act?user=${userId}&act=release&of=3`);
    await fill(page, {});
    await page.getByRole("button", { name: "Preview" }).click();
    const follows = page.getByRole("list", { name: "What follows by itself" });
    await follows.getByText("15 of it is taken at once for the claim on lot 1.").waitFor();
    const shown = await page.getByRole("table").innerText();
    expect(shown).toMatch(/Balance\s+0\s+\+5\s+5/);
    await page.getByRole("button", { name: "Confirm" }).click();
    await page.getByText("The entry is written.").waitFor();
    await follows.getByRole("link", { name: "#6" }).waitFor();
    expect(await page.getByRole("table").innerText()).toBe(shown);
    expect((await server.client.getAccount({ userId })).account).toMatchObject({ balance: 5n });
  });

  test("a refund counts what expires at once of a lot whose time is over", async () => {
    const day = 86_400_000_000n;
    const now = BigInt(Date.now()) * 1_000n;
    const clock = { clock: stoppedClock(now - 9n * day) };
    const userId = "outlived";
    const bought = { ...recharge(60n, { kind: "at", time: now - day }), userId };
    await commitAll(database.orm, [bought, { ...consume(26n), userId }], clock);
    const page = await openConsole(server, `/act?user=${userId}&act=refund&of=2`);
    await page.getByText("Lot 1 has expired: what goes back to it expires at once.").waitFor();
    await fill(page, {});
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByText("26 of it expires at once, for lot 1 has expired.").waitFor();
    const shown = await page.getByRole("table").innerText();
    expect(shown).toMatch(/Balance\s+0\s+0\s+0/);
    await page.getByRole("button", { name: "Confirm" }).click();
    await page.getByText("The entry is written.").waitFor();
    await page.getByText("26 of it expires at once").waitFor();
    expect(await page.getByRole("table").innerText()).toBe(shown);
    expect((await server.client.getAccount({ userId })).account).toMatchObject({ balance: 0n });
  });

  test("a policy that is there is changed, and then ended", async () => {
    const userId = "has-policy";
    const rule = { case: "alert", value: { below: 5n } } as const;
    await server.client.putPolicy({ userId, policy: { name: "low", rule } });
    const page = await openConsole(server, `/act?user=${userId}&act=policy&of=low`);
    const told = page.getByRole("region", { name: "What it is about" });
    await expect.poll(() => told.innerText()).toMatch(/Policy\s+low\s+Rule\s+alert below 5/);
    await fill(page, { points: "10" });
    await perform(page);
    const { policies } = await server.client.listPolicies({ userId });
    expect(policies).toMatchObject([{ policy: { rule: { value: { below: 10n } } } }]);
    await page.goto(`${server.baseUrl}/console/act?user=${userId}&act=delete-policy&of=low`);
    await fill(page, {});
    await perform(page);
    expect((await server.client.listPolicies({ userId })).policies).toEqual([]);
  });

  test("a policy that took the name meanwhile is neither ended nor changed unseen", async () => {
    const userId = "took-the-name";
    const alert = { case: "alert", value: { below: 5n } } as const;
    const credit = { case: "creditLine", value: { points: 5n } } as const;
    const put = (rule: typeof alert | typeof credit) =>
      server.client.putPolicy({ userId, policy: { name: "x", rule } });
    await put(alert);
    const page = await openConsole(server, `/act?user=${userId}&act=delete-policy&of=x`);
    await fill(page, {});
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("button", { name: "Confirm" }).waitFor();
    await server.client.deletePolicy({ userId, name: "x" });
    await put(credit);
    await page.getByRole("button", { name: "Confirm" }).click();
    const refusal = page.getByRole("alert");
    await refusal.getByText("The policy x is not as this page was opened on").waitFor();
    await page.getByText("Set by").getByRole("link", { name: "#3" }).waitFor();
    await expectAccessible(page);
    expect((await server.client.listPolicies({ userId })).policies).toHaveLength(1);
    // In the moment between the look and the act, nothing keeps it: then what was done says so.
    await page.reload();
    await fill(page, {});
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("button", { name: "Confirm" }).waitFor();
    await page.route("**/DeletePolicy", async (route) => {
      await server.client.deletePolicy({ userId, name: "x" });
      await put(alert);
      await route.continue();
    });
    await page.getByRole("button", { name: "Confirm" }).click();
    await page.getByRole("alert").getByText("somebody had set the policy x").waitFor();
    await page.getByText("Set by").getByRole("link", { name: "#5" }).waitFor();
  });

  test("what was done is said plainly where it differs from its preview, from the figures right before it", async () => {
    const userId = await account("raced");
    const page = await openConsole(server, `/act?user=${userId}&act=refund&of=2`);
    await fill(page, {});
    await page.getByRole("button", { name: "Preview" }).click();
    const table = page.getByRole("table");
    await expect.poll(() => table.innerText()).toMatch(/Balance\s+50\s+\+30\s+80/);
    await server.client.refund({ userId, sequence: 2n, points: 20n });
    await page.getByRole("button", { name: "Confirm" }).click();
    await page.getByText("It is not what the preview showed").waitFor();
    await page.getByText("Points: 10 instead of 30.").waitFor();
    await expect.poll(() => table.innerText()).toMatch(/Balance\s+70\s+\+10\s+80/);
    expect(await table.innerText()).toMatch(/Refunded\s+20\s+\+10\s+30/);
    await expectAccessible(page);
  });

  test("what is lacking is said at its field, and nothing is asked; a change takes the preview away", async () => {
    const user = await account("lacking");
    const page = await openConsole(server, `/act?user=${user}&act=revoke`, { colorScheme: "dark" });
    await page.getByRole("textbox", { name: "Points" }).fill("1.5");
    await page.keyboard.press("Enter");
    const points = page.getByRole("textbox", { name: "Points" });
    await points.and(page.locator(":focus[aria-invalid=true]")).waitFor();
    await page.getByText("This has to be a whole number.").waitFor();
    const reason = page.getByRole("textbox", { name: "Reason" });
    const described = await reason.getAttribute("aria-describedby");
    await page
      .locator(`[id="${described?.split(" ")[0]}"]`)
      .getByText("Fill this in.")
      .waitFor();
    await expectAccessible(page);
    await fill(page, { points: "5" });
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("button", { name: "Confirm" }).waitFor();
    await points.fill("6");
    await page.getByText("Nothing is done until you have seen it.").waitFor();
    expect(await page.getByRole("button", { name: "Confirm" }).count()).toBe(0);
  });

  test("a refusal is in words, in Chinese too", async () => {
    const user = await account("refused");
    const locale = "zh-CN";
    const page = await openConsole(server, `/act?user=${user}&act=revoke`, { locale, ...REFUSED });
    await page.getByRole("heading", { name: "收回积分" }).waitFor();
    await fill(page, { points: "1000" });
    await page.getByRole("button", { name: "预览" }).click();
    await page.getByText("积分不足：需要 1,000，可用 50，还差 950。").waitFor();
    await expectAccessible(page);
    await fill(page, { shortfall: "owe" });
    await page.getByRole("button", { name: "预览" }).click();
    await page.getByRole("button", { name: "确认执行" }).click();
    await page.getByText("操作成功，已记账。").waitFor();
    await expectAccessible(page);
    await page.goto(`${server.baseUrl}/console/act?user=${user}&act=recharge`);
    await fill(page, { points: "5", expires: "at", expireTime: "2020-01-01T00:00" });
    await page.getByRole("button", { name: "预览" }).click();
    await page.getByText(/^服务器不接受此值（.+）。$/).waitFor();
  });

  test("a lost answer keeps the form; sent again, it is said that it was done before", async () => {
    const user = await account("lost");
    const page = await openConsole(server, `/act?user=${user}&act=refund&of=2`, REFUSED);
    await fill(page, { points: "10" });
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("button", { name: "Confirm" }).waitFor();
    await loseAnswers(page, "Refund");
    await page.getByRole("button", { name: "Confirm" }).click();
    await page.getByText("It is not known whether it was done.").waitFor();
    expect(await page.getByText("Nothing is done yet.").count()).toBe(0);
    expect(await page.getByRole("textbox", { name: "Points" }).isDisabled()).toBe(true);
    await expectAccessible(page);
    expect(await page.evaluate(LEAVES)).toBe(false);
    const asked = page.waitForEvent("dialog");
    const left = page.getByRole("link", { name: "Statement" }).click();
    await (await asked).dismiss();
    await left;
    await page.unroute("**/Refund");
    await page.getByRole("button", { name: "Send again" }).click();
    await page.getByText("It was done before, and not again").waitFor();
    expect(await entriesAfter(user, 3n)).toMatchObject([{ kind: EntryKind.REFUND, points: 10n }]);
  });

  test("another entry that has the number by now is not refunded", async () => {
    const user = await account("changed");
    const page = await openConsole(server, `/act?user=${user}&act=refund&of=2`, REFUSED);
    await page.route("**/GetEntry", async (route) => {
      const answer = fromBinary(GetEntryResponseSchema, await (await route.fetch()).body());
      answer.entry!.hash = new Uint8Array(32).fill(1);
      const body = Buffer.from(toBinary(GetEntryResponseSchema, answer));
      await route.fulfill({ body, contentType: "application/proto" });
    });
    await page.reload();
    await fill(page, {});
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByText("#2 is not the entry any more that this page was opened on.").waitFor();
    expect(await entriesAfter(user, 3n)).toEqual([]);
  });

  test("a hold that is closed, and an entry that is refunded, have no form", async () => {
    const user = await account("over");
    await server.client.release({ userId: user, hold: 3n });
    const page = await openConsole(server, `/act?user=${user}&act=release&of=3`);
    await page.getByText("There is no such open hold").waitFor();
    await page.goto(`${server.baseUrl}/console/act?user=${user}&act=refund&of=1`);
    await page.getByText("it is of a kind that cannot be refunded").waitFor();
    await page.goto(`${server.baseUrl}/console/act?user=${user}&act=policy&of=gone`);
    await page.getByText("The account has no such policy").waitFor();
    expect(await page.getByRole("button", { name: "Preview" }).count()).toBe(0);
  });

  test("what is no number is said to be none, and where to begin without one", async () => {
    const user = await account("nowhere");
    const at = (query: string) => `/act?user=${user}&${query}`;
    // One more than an int64 has.
    const page = await openConsole(server, at("act=refund&of=9223372036854775808"));
    await page.getByText("is not the number of an entry, a lot or a hold").waitFor();
    await page.goto(`${server.baseUrl}/console${at("act=refund")}`);
    await page.getByText("A refund begins at the entry").waitFor();
    await page.getByRole("link", { name: "To the statement" }).click();
    await page.getByRole("table", { name: /./ }).waitFor();
  });

  test("an act is shown only to who may do it, and an address typed by hand says why not", async () => {
    const scopes = ["points.read", "points.grant"];
    const { server: guarded } = await serveApp(database, { scopes, maxPoints: 500 });
    await account("who-may");
    // An address without an act is that of the account, which has the acts.
    const page = await openConsole(guarded, "/act?user=who-may", REFUSED);
    await signIn(page);
    await page.getByRole("link", { name: "Recharge" }).waitFor();
    expect(await page.getByRole("link", { name: "Revoke" }).count()).toBe(0);
    await page.getByRole("link", { name: "Recharge" }).click();
    await page.getByText("You may move 500 at once at most.").waitFor();
    await fill(page, { points: "501", expires: "never" });
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByText("You may move 500 points at once at most; this would be 501.").waitFor();
    await page.goto(`${guarded.baseUrl}/console/act?user=who-may&act=revoke`);
    await signIn(page);
    await page.getByText("You may not do this: it needs the right points.revoke.").waitFor();
  });

  test("a token that expires in mid-form takes away nothing that was typed", async () => {
    const user = await account("expires");
    const { server: guarded, become } = await serveApp(database);
    const page = await openConsole(guarded, `/act?user=${user}&act=refund&of=2`, REFUSED);
    await signIn(page);
    await fill(page, { points: "10" });
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("button", { name: "Confirm" }).waitFor();
    await become({ app: { ...MAY_ALL, token: "another" } });
    await page.getByRole("button", { name: "Confirm" }).click();
    await page.getByRole("dialog").waitFor();
    await signIn(page, "another", "Wang");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByText("Wang", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("button", { name: "Confirm" }).click();
    await page.getByText("The entry is written.").waitFor();
    expect(await entriesAfter(user, 3n)).toMatchObject([{ points: 10n, actor: "Wang" }]);
  });

  test("a form whose outcome is unknown stays, whoever signs in again, and signing out asks first", async () => {
    const user = await account("unknown");
    const { server: guarded, become } = await serveApp(database);
    const page = await openConsole(guarded, `/act?user=${user}&act=revoke`, REFUSED);
    await signIn(page);
    await fill(page, { points: "10" });
    await page.getByRole("button", { name: "Preview" }).click();
    await loseAnswers(page, "Revoke");
    await page.getByRole("button", { name: "Confirm" }).click();
    await page.getByText("It is not known whether it was done.").waitFor();
    await page.getByRole("button", { name: "ledger" }).click();
    const asked = page.waitForEvent("dialog");
    const out = page.getByRole("button", { name: "Sign out" }).click();
    const question = await asked;
    expect(question.message()).toContain("look at the statement before you do it again");
    await question.dismiss();
    await out;
    await page.keyboard.press("Escape");
    await page.unroute("**/Revoke");
    const scopes = ["points.audit"];
    await become({ little: { scopes, token: "little" }, much: { ...MAY_ALL, token: "much" } });
    await page.getByRole("button", { name: "Send again" }).click();
    await page.getByRole("dialog").waitFor();
    await signIn(page, "little", "Wang");
    await page.getByText("What you have typed, and what was sent, stays here.").waitFor();
    await page.getByText("Li asked for it. Sent again, it is still theirs.").waitFor();
    await expectAccessible(page);
    await page.getByRole("button", { name: "Send again" }).click();
    await page.getByRole("alert").getByText("the right points.revoke").waitFor();
    await page.getByRole("button", { name: "Sign in as somebody who may" }).click();
    await signIn(page, "much");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Send again" }).click();
    await page.getByText("It was done before, and not again").waitFor();
    expect(await entriesAfter(user, 3n)).toMatchObject([{ points: 10n, actor: "Li" }]);
  });
});

/** Whether the browser would leave the page without a word. */
const LEAVES = `dispatchEvent(new Event("beforeunload", { cancelable: true }))`;

/** Fills a form by the names of its fields, and says who asks and why. */
async function fill(page: Page, typed: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries({ ...typed, reason: "sorry", actor: "Li" })) {
    const field = page.locator(`[name=${name}]`);
    await field.waitFor();
    const isChoice = (await field.evaluate(({ tagName }) => tagName)) === "SELECT";
    await (isChoice ? field.selectOption(text) : field.fill(text));
  }
}

async function perform(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Preview" }).click();
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByText("The entry is written.").waitFor();
}

/** From now on, what is sent is done, and its answer lost. */
async function loseAnswers(page: Page, method: string): Promise<void> {
  await page.route(`**/${method}`, async (route) => {
    await route.fetch();
    await route.abort("connectionreset");
  });
}

async function signIn(page: Page, token = "app", person = ""): Promise<void> {
  const field = page.getByRole("textbox", { name: "Token" });
  await field.waitFor();
  if (person !== "") await page.getByRole("textbox", { name: "Your name" }).last().fill(person);
  await field.fill(tokenOf(token));
  await page.keyboard.press("Enter");
}
