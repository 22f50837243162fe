import { readFile } from "node:fs/promises";
import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "playwright-core";
import { transformWithOxc } from "vite";

/** What a page is looked at with. */
export type Expected = {
  readonly language: "en" | "zh";
  /** Words that are of whoever wrote them, and not of the console: see `wordsIn`. */
  readonly names: ReadonlySet<string>;
};

/**
 * Looks at a page as it is now, as a careful person would.
 *
 * @returns what is wrong with it, in words: what `faultsBySight` finds, and all that axe finds or, of
 * contrast, cannot decide
 */
export async function faultsOf(page: Page, expected: Expected): Promise<string[]> {
  return [...(await faultsBySight(page, expected)), ...(await faultsByAxe(page))];
}

/**
 * Finds texts that are cut, that lie outside of their box or the page, or over one another; a page that
 * must be scrolled sideways; and words that are not in its language, or are no words.
 */
export async function faultsBySight(page: Page, expected: Expected): Promise<string[]> {
  const { faults, texts } = await page.evaluate<Look>(await lookScript());
  return [...faults, ...texts.flatMap((text) => faultsOfText(text, expected))];
}

type Look = { faults: string[]; texts: string[] };

let script: string | undefined;

/** The script of in-page/, whose types are of the browser. */
async function lookScript(): Promise<string> {
  if (script === undefined) {
    const path = `${import.meta.dirname}/in-page/look.ts`;
    const { code } = await transformWithOxc(await readFile(path, "utf8"), path, {
      sourcemap: false,
    });
    script = `(() => { ${code.replaceAll(/^export /gm, "")}; return look(); })()`;
  }
  return script;
}

/** The words in texts, Latin and Chinese ones. */
export function wordsIn(texts: Iterable<string>): Set<string> {
  return new Set(
    [...texts].flatMap((text) => [...wordsBy(LATIN, text), ...wordsBy(CHINESE, text)]),
  );
}

function wordsBy(letters: RegExp, text: string): string[] {
  return text.match(letters) ?? [];
}

const LATIN = /[A-Za-z]{2,}/g;
const CHINESE = /[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]+/g;
const HASH = /\b[0-9a-f]{64}\b/g;
const NO_WORDS = /undefined|\bNaN\b|\[object|\{\{|\}\}|Invalid Date|\bnull\b/;

/** What is wrong with a text, whoever shows it. */
export function faultsOfText(text: string, { language, names }: Expected): string[] {
  const faults = NO_WORDS.test(text) ? [`no words: ${JSON.stringify(text)}`] : [];
  const words = text.replaceAll(HASH, "");
  const strange = wordsBy(language === "zh" ? LATIN : CHINESE, words).filter(
    (word) => !names.has(word) && !NAMES_OF_OURS.has(word),
  );
  if (strange.length > 0)
    faults.push(`not translated: ${strange.join(" ")} in ${JSON.stringify(text)}`);
  return faults;
}

/** What has the same name in each language. */
const NAMES_OF_OURS = wordsIn([
  "Points English ID UTC CSV JSON JWT URL SHA API ISO OpenID Connect CONSOLE PROJECT SEARCH KEYS actor Li",
  "简体中文",
]);

async function faultsByAxe(page: Page): Promise<string[]> {
  const { violations, incomplete } = await new AxeBuilder({ page }).analyze();
  const undecided = incomplete
    .filter(({ id }) => id === "color-contrast")
    .map(({ id, nodes }) => ({ id, nodes: nodes.filter((node) => !isDecided(node)) }));
  return [...violations, ...undecided].flatMap(({ id, nodes }) =>
    nodes.map(({ html, any }) => `${id}: ${html} ${any[0]?.message ?? ""}`),
  );
}

/** Whether axe cannot decide for a reason that is none: signs, charts, single letters, what lies over something; see `look`. */
function isDecided({ any }: { readonly any: readonly { readonly data: unknown }[] }): boolean {
  const { messageKey } = (any[0]?.data ?? {}) as { messageKey?: string };
  return DECIDED.has(messageKey ?? "");
}

const DECIDED = new Set([
  "nonBmp",
  "imgNode",
  "shortTextContent",
  "bgOverlap",
  "elmPartiallyObscured",
  "elmPartiallyObscuring",
]);
