/**
 * Takes the pictures of docs/console/: `npm run console:pictures`. It builds the console, tells its story
 * to a ledger of its own, and opens each screen in a real browser: light, dark and narrow, in each
 * language. It fails if something is cut, overlaps, is pale, is not translated, or if axe finds anything.
 * `npm run console:pictures -- account why-dark` takes those alone whose names begin so.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { build } from "vite";
import { stopServers } from "../bench/servers.ts";
import { launchBrowser } from "../test/console/chromium.ts";
import { faultsOf } from "../test/console/looks.ts";
import { smallPng } from "../test/console/small-png.ts";
import { LANGUAGES, LOOKS, openScreen, type Screen, SCREENS } from "../test/console/screens.ts";
import { storyNames } from "../test/console/story.ts";
import { serveStory } from "../test/console/story-server.ts";
import { openRunFolder } from "../test/support/run-folder.ts";

/** The story's now, so that pictures of the same page are the same whenever they are taken. */
const NOW = new Date("2026-11-27T09:30:00Z");
const FOLDER = join(import.meta.dirname, "..", "docs", "console");
const HEIGHT_MAX = 2_200;

const wanted = process.argv.slice(2);
const isWanted = (name: string) =>
  wanted.length === 0 || wanted.some((one) => name.startsWith(one));

await build({ root: "console", configLoader: "native", logLevel: "warn" });
await mkdir(FOLDER, { recursive: true });
const run = await openRunFolder();
const browser = await launchBrowser();
let faulty = 0;
try {
  const baseUrl = await serveStory(run.folder, NOW);
  for (const screen of SCREENS) faulty += await takePictures(browser, { baseUrl, screen });
} finally {
  await browser.close();
  await stopServers();
  await run.close();
}
console.log(faulty === 0 ? "nothing to mend" : `${faulty} to mend`);
process.exitCode = faulty === 0 ? 0 : 1;

/** @returns how many faults they show */
async function takePictures(
  of: Browser,
  { baseUrl, screen }: { readonly baseUrl: string; readonly screen: Screen },
): Promise<number> {
  let found = 0;
  for (const look of LOOKS) {
    for (const language of LANGUAGES) {
      const name = `${screen.name}-${look.name}-${language.name}`;
      if (!isWanted(name)) continue;
      const page = await openScreen(of, { baseUrl, screen, look, language, now: NOW });
      const faults = await faultsOf(page, { language: language.name, names: storyNames() });
      const height = await page.evaluate<number>("document.documentElement.scrollHeight");
      const clip = { x: 0, y: 0, width: look.width, height: Math.min(height, HEIGHT_MAX) };
      const png = smallPng(await page.screenshot({ fullPage: true, clip, caret: "hide" }));
      await writeFile(join(FOLDER, `${name}.png`), png);
      console.log(`${name}: ${Math.ceil(png.length / 1_024)} KB`);
      for (const fault of faults) console.log(`  ${fault}`);
      found += faults.length;
      await page.context().close();
    }
  }
  return found;
}
