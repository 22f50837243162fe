import { readdir, readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";

const DIST = "console/dist";
const FIRST_SCREEN_MAX_BYTES = 250_000;

// It is the build that is looked at: no browser is needed.

test("the first screen takes 250 KB of script at the most", async () => {
  const page = await readFile(`${DIST}/index.html`, "utf8");
  const scripts = new Set<string>();
  const add = async (name: string): Promise<void> => {
    if (scripts.has(name)) return;
    scripts.add(name);
    for (const imported of staticImports(await readFile(`${DIST}/assets/${name}`, "utf8"))) {
      await add(imported);
    }
  };
  for (const [, name] of page.matchAll(/assets\/([^"]+\.js)"/g)) await add(name!);
  const sizes = await Promise.all(
    [...scripts].map(async (name) => {
      return gzipSync(await readFile(`${DIST}/assets/${name}`), { level: 9 }).length;
    }),
  );
  const bytes = sizes.reduce((sum, one) => sum + one, 0);
  console.log(`${Math.round(bytes / 1_000)} KB of script in ${scripts.size} files, compressed`);
  expect(bytes).toBeGreaterThan(50 * 1_024);
  expect(bytes).toBeLessThanOrEqual(FIRST_SCREEN_MAX_BYTES);
});

test("nothing of it comes from elsewhere", async () => {
  const hosts = new Set<string>();
  for (const name of await readdir(DIST, { recursive: true })) {
    if (!/\.(?:html|css|js|svg)$/.test(name)) continue;
    const text = await readFile(`${DIST}/${name}`, "utf8");
    for (const [, host] of text.matchAll(/(?:https?:)?\/\/([a-z0-9-]+(?:\.[a-z0-9-]+)+)/gi)) {
      hosts.add(host!);
    }
  }
  // Names of SVG's, and links in the texts of errors: nobody asks them for anything.
  const named = [...hosts].filter((host) => !NAMES.has(host));
  expect(named).toEqual([]);
});

const NAMES = new Set([
  "www.w3.org",
  "react.dev",
  "bit.ly",
  "connectrpc.com",
  "mantine.dev",
  "react.i18next.com",
  "redux-toolkit.js.org",
  "redux.js.org",
]);

test("without JavaScript the page says so, in both languages", async () => {
  const page = await readFile(`${DIST}/index.html`, "utf8");
  const [, said] = /<noscript>(.*?)<\/noscript>/s.exec(page)!;
  expect(said).toMatch(/lang="en">.*needs JavaScript/);
  expect(said).toMatch(/lang="zh-Hans">.*需要 JavaScript/);
});

test("the page has no inline script, style or handler, which its policy would stop", async () => {
  for (const name of ["index.html", "signed-in.html"]) {
    const page = await readFile(`${DIST}/${name}`, "utf8");
    expect(page).not.toMatch(/<script(?![^>]* src="\/console\/assets\/)|<style|\son\w+=|\sstyle=/i);
  }
});

/** The files that a script cannot run without. */
function staticImports(script: string): string[] {
  return [...script.matchAll(/(?:from|import)"\.\/([^"]+\.js)"/g)].map(([, name]) => name!);
}
