import {
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { PointsService, Shortfall } from "../../gen/points/v1/points_pb.ts";
import { erase } from "../../src/commit/erase.ts";
import { tokenOf } from "../support/callers.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { serveApp } from "../support/served-app.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { expectAccessible, hasBrowser, openConsole } from "./browser.ts";

const HOSTILE = `<img src=x onerror="window.hacked=1">`;

describe.skipIf(!hasBrowser)("why an account changed", () => {
  let database: TestDatabase;
  let server: TestServer;
  beforeAll(async () => {
    database = await testDatabase();
    server = await testServer({}, database);
    await ada(server, "ada");
  });
  afterAll(async () => {
    await server.stop();
    await database.close();
  });

  test("an entry is one sentence, with links to what it names", async () => {
    const page = await openConsole(server, "/entry?user=ada&sequence=2");
    const sentence = page.getByText(
      /^37 points for tts, 37 s at 1 a second by list \S+, for member Li/,
    );
    await expect
      .poll(() => sentence.innerText())
      .toMatch(/asked for Mei, from lot #1, recharged on .*, never expires; 7 refunded\.$/);
    expect(await page.title()).toBe("Entry 2 of ada · Points");
    await page.getByRole("cell", { name: HOSTILE }).waitFor();
    await page.getByText("Checked in this browser").waitFor();
    await page.getByText("Entry #3 follows from it.").waitFor();
    await expectAccessible(page);
    await page.getByRole("list").getByRole("link", { name: "#3" }).press("Enter");
    await page.getByText("7 points of #2 given back").waitFor();
    await page.getByText("It is about").waitFor();
  });

  test("a lot says what is left of it, and leads to what took from it", async () => {
    const page = await openConsole(server, "/entry?user=ada&sequence=1");
    await page.getByText(/; \d+ left;( \d+ set aside by holds;)? \d+ used or expired\.$/).waitFor();
    await page.getByRole("button", { name: "Show what took from it" }).click();
    const moves = page.getByRole("table", { name: /^Entries that took points of this lot/ });
    await moves.getByRole("row").filter({ hasText: "#2" }).getByText("-37").waitFor();
    await moves.getByRole("row").filter({ hasText: "#3" }).getByText("+7").waitFor();
    await expectAccessible(page);
  });

  test("what became of a hold, and of points that came back, is what the ledger says", async () => {
    const { client } = server;
    const userId = "noor";
    const points = (value: bigint) => ({ case: "points", value }) as const;
    await client.recharge({ userId, points: 100n });
    await client.freeze({ userId, cost: points(20n), expiration: inSeconds(60n) });
    await client.extendHold({ userId, hold: 2n, expiration: inSeconds(7_200n) });
    const part = { userId, hold: 2n, cost: points(1n), keepOpen: true };
    await Array.from({ length: 11 }).reduce<Promise<unknown>>(
      (before) => before.then(() => client.settle(part)),
      Promise.resolve(),
    );
    const page = await openConsole(server, `/entry?user=${userId}&sequence=2`);
    await page.getByText(/^20 points set aside.*; still open, by now until [^;]*\.$/).waitFor();
    const release = await client.release({ userId, hold: 2n });
    const spent = await client.consume({ userId, cost: points(50n) });
    await client.revoke({
      userId,
      target: { case: "lot", value: 1n },
      onShortfall: Shortfall.TAKE,
    });
    const refund = await client.refund({ userId, sequence: spent.entry!.sequence });
    const at = (sequence: bigint) =>
      `${server.baseUrl}/console/entry?user=${userId}&sequence=${sequence}`;
    await page.goto(at(2n));
    await page.getByText(/; given back by #15\.$/).waitFor();
    await page.goto(at(release.entry!.sequence));
    await page.getByText(/^9 points of hold #2 went back, to lot/).waitFor();
    await page.goto(at(refund.entry!.sequence));
    await page.getByText(/; 50 of them taken at once by an earlier revocation/).waitFor();
  });

  test("arrow keys lead to the entries before and after, and the whole chain can be checked", async () => {
    const page = await openConsole(server, "/entry?user=ada&sequence=2");
    await page.getByRole("heading", { name: "Entry #2" }).waitFor();
    await page.getByText("Entry #3 follows from it.").waitFor();
    // In a box that scrolls, they scroll it.
    await page.getByRole("group").first().focus();
    await page.keyboard.press("ArrowRight");
    await page.getByRole("group").first().blur();
    await page.keyboard.press("ArrowRight");
    await page.getByRole("heading", { name: "Entry #3" }).waitFor();
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowLeft");
    await page.getByRole("heading", { name: "Entry #1" }).waitFor();
    await page.keyboard.press("ArrowLeft");
    await page.getByRole("button", { name: "Check the whole chain" }).press("Enter");
    await page.getByText("All 5 entries are right, from the first to #5").waitFor();
    await page.getByRole("heading", { name: "Entry #1" }).waitFor();
  });

  test("an entry that was altered is said not to fit, in letters that can be read", async () => {
    const page = await openConsole(server);
    await alterAnswers(page, PointsService.method.getEntry, ({ entry }) => [entry!]);
    await alterAnswers(page, PointsService.method.listEntries, ({ entries }) => entries);
    await page.goto(`${server.baseUrl}/console/entry?user=ada&sequence=2`);
    await page.getByRole("alert").getByText("one of them was changed").waitFor();
    await page.getByRole("button", { name: "Check the whole chain" }).press("Enter");
    await page.getByText(/^The hash of entry #2 is not/).waitFor();
    await expectAccessible(page);
  });

  test("after a restore, no verdict about another entry of the number is shown", async () => {
    const page = await openConsole(server, "/");
    await page.clock.install();
    await page.goto(`${server.baseUrl}/console/entry?user=ada&sequence=2`);
    await page.getByText("Entry #3 follows from it.").waitFor();
    await alterAnswers(page, PointsService.method.getEntry, ({ entry }) => {
      entry!.hash = new Uint8Array(32).fill(Number(entry!.sequence));
      return [];
    });
    // By then what was read is looked for again.
    await page.clock.fastForward(60_000);
    await page.evaluate(`dispatchEvent(new Event("visibilitychange"))`);
    await page.getByText("Entry #3 does not follow from it.").waitFor();
  });

  test("what is past by the ledger's clock has expired, also where the browser's is behind", async () => {
    const expiration = { case: "ttl", value: { seconds: 86_400n } } as const;
    await server.client.recharge({ userId: "later", points: 5n, expiration });
    const page = await openConsole(server);
    // As under TEST_CLOCK.
    await alterAnswers(page, PointsService.method.getAccount, ({ account }) => {
      account!.updateTime!.seconds += 2n * 86_400n;
      return [];
    });
    await page.goto(`${server.baseUrl}/console/entry?user=later&sequence=1`);
    await page.getByText(/^5 points .*, was to expire on /).waitFor();
  });

  test("where the account cannot be read, the chain is not said to be checked for ever", async () => {
    const page = await openConsole(server, "/", { allowed: /Failed to load resource/ });
    await page.route("**/GetAccount", (route) => route.fulfill({ status: 403 }));
    await page.goto(`${server.baseUrl}/console/entry?user=ada&sequence=2`);
    await page.getByRole("alert").waitFor();
    expect(await page.getByText("Checking…").count()).toBe(0);
  });

  test("where a browser lets no page hash, it says so", async () => {
    const page = await openConsole(server, "/entry?user=ada&sequence=1");
    // As on plain http from another machine.
    await page.addInitScript("Object.defineProperty(crypto, 'subtle', { value: undefined })");
    await page.reload();
    await page.getByText("This browser cannot check hashes here").waitFor();
    expect(await page.getByRole("button", { name: "Check the whole chain" }).count()).toBe(0);
  });

  test("what was erased is said to be", async () => {
    await ada(server, "eve");
    const { userId } = await erase(database.orm, "eve");
    const page = await openConsole(server, `/entry?user=${userId}&sequence=2`);
    await page.getByText("Erased by entry #6: request id, metadata and actor.").waitFor();
    await page.getByRole("button", { name: "Check the whole chain" }).press("Enter");
    await page.getByText("All 6 entries are right").waitFor();
  });

  test("only acts that the caller may do are shown", async () => {
    const { server: guarded, become } = await serveApp(database);
    const page = await openConsole(guarded, "/entry?user=ada&sequence=2", { allowed: /401/ });
    const signIn = async () => {
      await page.getByRole("textbox", { name: "Token" }).fill(tokenOf("app"));
      await page.keyboard.press("Enter");
      await page.getByText(/^37 points for tts/).waitFor();
    };
    await signIn();
    const refund = page.getByRole("link", { name: "Refund …" });
    await refund.waitFor();
    expect(await refund.getAttribute("href")).toEqual(
      expect.stringMatching(/^\/console\/act\?.*act=refund/),
    );
    const scopes = ["points.read"];
    await become({ app: { scopes } });
    await page.reload();
    await signIn();
    await page.getByText("Checked in this browser").waitFor();
    expect(await refund.count()).toBe(0);
  });

  test("what is no number, and an entry that is not there, are said in words", async () => {
    const page = await openConsole(server, "/entry?user=ada&sequence=-1");
    await page.getByText("“-1” is not the number of an entry").waitFor();
    const other = await openConsole(server, "/entry?user=ada&sequence=99", { allowed: /404/ });
    await other.getByRole("alert").waitFor();
  });

  test("in Chinese, dark and narrow, it fits its window", async () => {
    const viewport = { width: 400, height: 800 };
    const options = { viewport, locale: "zh-CN", colorScheme: "dark" } as const;
    const page = await openConsole(server, "/entry?user=ada&sequence=2", options);
    await page.getByText(/^消费 37 积分，用于 tts：37 秒，每秒 1/).waitFor();
    await page.getByText("已在本浏览器中校验").waitFor();
    await expectAccessible(page);
    const widths = "[document.documentElement.scrollWidth, innerWidth, window.hacked]";
    expect(await page.evaluate(widths)).toEqual([400, 400, undefined]);
  });
});

function inSeconds(seconds: bigint) {
  return { case: "ttl", value: { seconds, nanos: 0 } } as const;
}

/** Adds a point to the second entry of each answer, as somebody in between might. */
async function alterAnswers<Answer extends DescMessage>(
  page: Page,
  { name, output }: DescMethodUnary<DescMessage, Answer>,
  entriesOf: (answer: MessageShape<Answer>) => readonly Entry[],
): Promise<void> {
  // One may be under way when the page closes.
  onTestFinished(() => page.unrouteAll({ behavior: "ignoreErrors" }));
  await page.route(`**/${name}*`, async (route) => {
    const answer = fromBinary(output, await (await route.fetch()).body());
    for (const entry of entriesOf(answer)) if (entry.sequence === 2n) entry.points += 1n;
    const body = Buffer.from(toBinary(output, answer));
    await route.fulfill({ body, contentType: "application/proto" });
  });
}

/** A recharge, a charge, a part of it refunded, an open hold, and points that expired by hand. */
async function ada({ client }: TestServer, userId: string): Promise<void> {
  await client.recharge({ userId, points: 300n, requestId: "order-7001" });
  const amount = { case: "duration", value: { seconds: 37n } } as const;
  const cost = { case: "usage", value: { service: "tts", amount } } as const;
  const metadata = { note: HOSTILE };
  await client.consume({ userId, cost, metadata, actor: "Mei", member: "Li" });
  await client.refund({ userId, sequence: 2n, points: 7n });
  await client.freeze({ userId, cost: { case: "points", value: 20n } });
  await client.expire({ userId, target: { case: "points", value: 5n }, actor: "Mei" });
}
