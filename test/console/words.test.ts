import { readFile } from "node:fs/promises";
import i18next from "i18next";
import { expect, test, vi } from "vitest";
import { SENTENCE_WORDS } from "../../console/parts/sentence/sentence-words.ts";
import { SCOPES } from "../../console/app/scopes.ts";
import { SCOPES as ALL_SCOPES } from "../../src/auth/caller.ts";

// The words are added as their files are loaded.
vi.stubGlobal("document", { documentElement: {} });
vi.stubGlobal("localStorage", { getItem: () => null });
vi.stubGlobal("location", { origin: "http://localhost" });

test("each word says the same facts in both languages", async () => {
  const load = import.meta.glob("../../console/**/*.{ts,tsx}");
  for (const [file, loaded] of Object.entries(load)) {
    const text = await readFile(new URL(file, import.meta.url), "utf8");
    if (text.includes("= wordsOf")) await loaded();
  }
  const { en = {}, "zh-Hans": zh = {} } = i18next.store.data;
  expect(Object.keys(en).length).toBeGreaterThan(15);
  for (const name of Object.keys(en)) {
    expect([name, factsOf(zh[name])]).toEqual([name, factsOf(en[name])]);
  }
  expect(factsOf(SENTENCE_WORDS["zh-Hans"])).toEqual(factsOf(SENTENCE_WORDS.en));
});

test("a key is one word, whatever is in it", async () => {
  await import("../../console/app/words.ts");
  i18next.addResourceBundle("en", "keys", { "points.read: all": "may read" });
  expect(i18next.t("points.read: all", { ns: "keys", lng: "en" })).toBe("may read");
});

test("the console knows the scopes that the server does", () => {
  expect(SCOPES).toEqual(ALL_SCOPES);
});

/** The facts of each word, but for plurals that Chinese has none of. */
function factsOf(words: unknown) {
  const texts = Object.entries(words as Record<string, string>);
  const plural = texts.filter(([key]) => !key.endsWith("_one"));
  return Object.fromEntries(
    plural.map(([key, text]) => {
      return [key, new Set(Array.from(text.matchAll(/\{\{(\w+)\}\}/g), ([, fact]) => fact))];
    }),
  );
}
