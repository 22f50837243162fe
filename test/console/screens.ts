import type { Browser, Page } from "playwright-core";
import { tokenOf } from "../support/callers.ts";
import { stillness } from "./still-page.ts";
import { PERSON } from "./story-server.ts";

/** A screen of the console as the story fills it. */
export type Screen = {
  /** The name of its pictures. */
  readonly name: string;
  /** Its address within the console. */
  readonly path: string;
  /** Whether it is what somebody sees who has not signed in. */
  readonly isBefore?: boolean;
  /** Does what a person would, until the screen shows what it is about. */
  readonly prepare?: (page: Page) => Promise<void>;
};

/** Every screen, in the order of the tour. */
export const SCREENS: readonly Screen[] = [
  { name: "sign-in", path: "/", isBefore: true },
  { name: "find", path: "/?q=order=order-7044" },
  { name: "find-nothing", path: "/?q=adda" },
  { name: "account", path: "/account?user=ada" },
  { name: "account-debt", path: "/account?user=grace" },
  { name: "account-team", path: "/account?user=team-lighthouse" },
  { name: "statement", path: "/statement?user=ada" },
  { name: "why", path: "/entry?user=ada&sequence=31" },
  { name: "movements", path: "/movements?user=ada" },
  { name: "act", path: "/act?user=ada&act=refund&of=45", prepare: previewed },
  { name: "act-done", path: "/act?user=team-lighthouse&act=recharge", prepare: performed },
  { name: "overview", path: "/overview" },
];

/** Fills in the form of a refund, and asks for its preview. */
async function previewed(page: Page): Promise<void> {
  await page.getByLabel(/^(?:Reason|原因)/).fill("视频渲染失败，用户来信");
  await page.getByLabel(/^(?:Your name|您的姓名)/).fill("王芳");
  await page.getByLabel(/^(?:Ticket|工单)/).fill("T-2291");
  await page.locator("main button[type=submit]").click();
  await page.getByRole("button", { name: PERFORM }).waitFor();
}

/** Recharges, as goodwill. */
async function performed(page: Page): Promise<void> {
  await page.getByLabel(/^(?:Points|积分)/).fill("50");
  await page.getByLabel(/^(?:Days to live|有效天数)/).fill("90");
  await previewed(page);
  await page.getByRole("button", { name: PERFORM }).click();
  await page.getByRole("button", { name: /^(?:New form|再办一笔)/ }).waitFor();
}

const PERFORM = /^(?:Confirm|确认执行)/;

/** How a screen is looked at. */
export const LOOKS = [
  { name: "light", colorScheme: "light", width: 1_100 },
  { name: "dark", colorScheme: "dark", width: 1_100 },
  { name: "narrow", colorScheme: "light", width: 400 },
] as const;

export const LANGUAGES = [
  { name: "en", locale: "en-US", timezoneId: "Europe/London" },
  { name: "zh", locale: "zh-CN", timezoneId: "Asia/Shanghai" },
] as const;

const HEIGHT = 800;

/** Opens a screen as somebody would who signs in with a token, and waits until nothing moves. */
export async function openScreen(
  browser: Browser,
  {
    baseUrl,
    screen: { path, isBefore = false, prepare },
    look: { width, colorScheme },
    language: { locale, timezoneId },
    now,
  }: {
    readonly baseUrl: string;
    readonly screen: Screen;
    readonly look: (typeof LOOKS)[number];
    readonly language: (typeof LANGUAGES)[number];
    /** What the browser's clock says. */
    readonly now?: Date;
  },
): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width, height: HEIGHT },
    reducedMotion: "reduce",
    colorScheme,
    locale,
    timezoneId,
  });
  const page = await context.newPage();
  if (now !== undefined) await page.clock.setFixedTime(now);
  const still = stillness(page);
  await page.goto(`${baseUrl}/console${path}`);
  await still();
  if (isBefore) return page;
  await page.locator("input[type=password]").fill(tokenOf(PERSON));
  await page.keyboard.press("Enter");
  await page.locator("header").waitFor();
  await still();
  await prepare?.(page);
  await still();
  return page;
}
