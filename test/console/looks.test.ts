import type { Page } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import { hasBrowser, testBrowser } from "./browser.ts";
import { type Expected, faultsBySight, faultsOf } from "./looks.ts";

const ENGLISH: Expected = { language: "en", names: new Set() };

/** Pages with one fault each, and how it is said. */
const PLANTED: readonly (readonly [string, string, RegExp])[] = [
  [
    "a text that its box cuts",
    `<div style="width: 60px; overflow: hidden; white-space: nowrap">a sentence that is too long</div>`,
    /^cut: "a sentence/,
  ],
  [
    "a line of which the lower half is cut",
    `<div style="height: 12px; overflow: hidden; font-size: 20px; line-height: 28px">cut</div>`,
    /^cut: "cut"/,
  ],
  [
    "a text that is shortened by dots",
    `<div style="width: 60px; overflow: hidden; white-space: nowrap; text-overflow: ellipsis">
      a sentence that is too long</div>`,
    /^cut: "a sentence/,
  ],
  [
    "a text that is wider than its button",
    `<button style="width: 40px; padding: 0; white-space: nowrap; border: 1px solid">
      Refund them all</button>`,
    /^outside of its box: "Refund/,
  ],
  [
    "a text that begins before the page",
    `<p style="margin-left: -30px">Points</p>`,
    /^outside of the page: "Points"/,
  ],
  [
    "two texts over one another",
    `<p style="position: relative">Balance</p><p style="position: relative; top: -30px">Frozen</p>`,
    /^overlapping: "(?:Balance|Frozen)" and "(?:Balance|Frozen)"/,
  ],
  [
    "two labels of a chart over one another",
    `<svg role="img" aria-label="chart" width="200" height="40"><text x="5" y="20">Nov 28</text>
      <text x="25" y="20">Nov 29</text></svg>`,
    /^overlapping: "Nov 28" and "Nov 29"/,
  ],
  [
    "a label of a chart of too little contrast",
    `<svg role="img" aria-label="chart" width="200" height="40">
      <text x="5" y="20" style="fill: #999">Nov 28</text></svg>`,
    /^pale: "Nov 28", 2.8 to 1$/,
  ],
  ["a figure of too little contrast", `<p style="color: #999">0</p>`, /^pale: "0", 2.8 to 1$/],
  [
    "a placeholder of too little contrast",
    `<style>::placeholder { color: #aaa }</style><input aria-label="User" placeholder="ada">`,
    /^pale: "ada", 2.3 to 1$/,
  ],
  [
    "a value that is wider than its field",
    `<label>User <input value="somebody with a very long name" style="width: 60px"></label>`,
    /^cut in its field: "somebody/,
  ],
  [
    "a choice that is wider than its field",
    `<label>Kind <select style="width: 60px"><option>everything that there is</option></select></label>`,
    /^cut in its field: "everything/,
  ],
  [
    "a page that is scrolled sideways",
    `<div style="width: 900px; height: 10px"></div>`,
    /^the page is 9\d\d wide, of 400$/,
  ],
  ["a value that is missing", `<p>undefined points</p>`, /^no words: "undefined points"/],
  ["a word that is not filled in", `<p>{{count}} points</p>`, /^no words: /],
  ["a word of the other language", `<p>余额 balance</p>`, /^not translated: 余额/],
  [
    "a name for screen readers in the other language",
    `<button aria-label="退款">x</button>`,
    /^not translated: 退款/,
  ],
];

/** The same for what axe sees. */
const PLANTED_FOR_AXE: typeof PLANTED = [
  ["a text of too little contrast", `<p style="color: #aaa">Points</p>`, /^color-contrast: /],
  [
    "a text on what nobody can tell the contrast of",
    `<p style="background: linear-gradient(#000, #fff); color: #777">Points</p>`,
    /^color-contrast: /,
  ],
  ["a field without a label", `<input>`, /^label: /],
];

describe.skipIf(!hasBrowser)("the looks of a page", () => {
  let page: Page;
  beforeAll(async () => {
    const viewport = { width: 400, height: 600 };
    page = await (await (await testBrowser()).newContext({ viewport })).newPage();
  });

  test.for(PLANTED)("%s is found, and nothing else", async ([, html, fault]) => {
    await show(html);
    expect(await faultsBySight(page, ENGLISH)).toEqual([expect.stringMatching(fault)]);
  });

  test.for(PLANTED_FOR_AXE)("%s is found by axe, and nothing else", async ([, html, fault]) => {
    await show(html);
    expect(await faultsOf(page, ENGLISH)).toEqual([expect.stringMatching(fault)]);
  });

  test("a page is as it should be that scrolls a wide table, wraps, and speaks to readers", async () => {
    await show(`
      <div style="overflow-x: auto; width: 200px" tabindex="0"><table><tr>
        <td style="min-width: 300px">a wide column</td><td style="min-width: 300px">another</td>
      </tr></table></div>
      <div style="overflow-y: auto; height: 40px" tabindex="0"><p>in sight</p><p>out of sight</p></div>
      <p style="line-height: 1">two lines that touch each other<br>and yet do not overlap</p>
      <span style="position: absolute; width: 1px; height: 1px; overflow: hidden; white-space: nowrap">
        for readers alone</span>
      <div style="position: relative; height: 60px">beneath
        <div style="position: absolute; inset: 0; background: #fff; border: 1px solid">a dialog</div>
      </div>`);
    expect(await faultsOf(page, ENGLISH)).toEqual([]);
  });

  test("a Chinese page has no other words than those of whoever wrote them", async () => {
    await show(`<p>用户 ada 的余额</p><p>Balance 余额</p>`);
    const names = new Set(["ada"]);
    expect(await faultsBySight(page, { language: "zh", names })).toEqual([
      'not translated: Balance in "Balance 余额"',
    ]);
  });

  async function show(body: string): Promise<void> {
    await page.setContent(
      `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Points</title><main><h1>Points</h1>${body}</main></html>`,
    );
  }
});
