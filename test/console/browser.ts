import { AxeBuilder } from "@axe-core/playwright";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, expect, onTestFinished } from "vitest";
import { WAIT_MS } from "../support/patience.ts";
import { hasBrowser, launchBrowser } from "./chromium.ts";

export { hasBrowser };

let browser: Promise<Browser> | undefined;

/** The browser of this file's tests, from the first call on. */
export function testBrowser(): Promise<Browser> {
  return (browser ??= launchBrowser());
}

afterAll(async () => (await browser)?.close());

/**
 * Opens a path of the console, such as "/account?user=ada", as a browser of its own would. The test
 * fails if the page throws, writes an error to the console, or breaks its Content-Security-Policy.
 *
 * @param allowed errors of the browser's console that the test is about
 */
export async function openConsole(
  { baseUrl }: { readonly baseUrl: string },
  path = "/",
  { allowed, ...options }: BrowserContextOptions & { readonly allowed?: RegExp } = {},
): Promise<Page> {
  const context = await (await testBrowser()).newContext({ locale: "en-US", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !allowed?.test(message.text())) faults.push(message.text());
  });
  onTestFinished(async () => {
    await context.close();
    expect(faults).toEqual([]);
  });
  await page.goto(`${baseUrl}/console${path}`);
  return page;
}

/** Checks the page as it is now against WCAG's rules, AA, and axe's best practices. */
export async function expectAccessible(page: Page): Promise<void> {
  // Half-way through a transition, colours are of no use to anybody.
  await page.evaluate(TRANSITIONS_END);
  // No frames, and no list of all that is right: that takes a third of the time.
  const axe = new AxeBuilder({ page }).setLegacyMode(true).options({ resultTypes: ["violations"] });
  const { violations } = await axe.analyze();
  const found = violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)]);
  expect(found).toEqual([]);
}

const TRANSITIONS_END = `Promise.allSettled(
  document.getAnimations().filter((one) => one instanceof CSSTransition).map((one) => one.finished),
).then(() => {})`;
