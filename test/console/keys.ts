import type { Page } from "playwright-core";
import { expect } from "vitest";

/** More tab stops than any screen has. */
const STOPS_MAX = 80;

/** A person who has a keyboard alone, and sees where the focus is. */
export type Keys = {
  /** Goes on by Tab to what has this name, from where the focus is. */
  tabTo(name: RegExp): Promise<void>;
  press(...keys: readonly string[]): Promise<void>;
  type(text: string): Promise<void>;
  /** All stops from here until the focus leaves the page, by name. */
  stops(): Promise<string[]>;
};

/**
 * Works a page by its keys. Each stop must be seen: its picture with the focus differs from that
 * without, and the stops come in the order of reading.
 */
export function keysOf(page: Page): Keys {
  const next = async (): Promise<string | undefined> => {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate<Stop | undefined>(FOCUSED);
    if (stop !== undefined) expect(stop, "the focus is to be seen").toMatchObject({ isSeen: true });
    return stop?.name;
  };
  return {
    async tabTo(name) {
      const passed: string[] = [];
      for (let stop = 0; stop < STOPS_MAX; stop += 1) {
        const reached = await next();
        if (reached !== undefined && name.test(reached)) return;
        passed.push(reached ?? "(the browser)");
      }
      throw new Error(`no stop is named ${String(name)}: ${passed.join(" | ")}`);
    },
    async press(...keys) {
      for (const key of keys) await page.keyboard.press(key);
    },
    async type(text) {
      await page.keyboard.type(text);
    },
    async stops() {
      const passed: string[] = [];
      for (let stop = 0; stop < STOPS_MAX; stop += 1) {
        const reached = await next();
        if (reached === undefined) return passed;
        passed.push(reached);
      }
      throw new Error(`the focus is trapped: ${passed.join(" | ")}`);
    },
  };
}

type Stop = { readonly name: string; readonly isSeen: boolean };

/**
 * What has the focus, by the name that it has on the screen, and whether that is seen: an outline, a
 * border or a shadow that it would not have without the focus. Undefined: nothing of the page.
 */
const FOCUSED = `(() => {
  const one = document.activeElement;
  if (one === null || one === document.body) return undefined;
  const labels = [...(one.labels ?? [])].map((label) => label.innerText);
  const name = one.getAttribute("aria-label") ?? (labels.join(" ") || one.innerText || one.id);
  // A date has stops within, of which leaving it and coming back would forget.
  if (globalThis.looked === one) return { name: name.trim(), isSeen: true };
  globalThis.looked = one;
  // A field may show its focus by the box around it.
  const boxes = [one];
  while (boxes.length < 4 && boxes.at(-1).parentElement !== document.body) {
    boxes.push(boxes.at(-1).parentElement);
  }
  for (const box of boxes) box.style.transition = "none";
  const looks = () => JSON.stringify(boxes.map((box) => {
    const { outline, boxShadow, borderColor, backgroundColor } = getComputedStyle(box);
    return [outline, boxShadow, borderColor, backgroundColor];
  }));
  const { width, height } = one.getBoundingClientRect();
  const focused = looks();
  one.blur();
  const isSeen = looks() !== focused && width > 1 && height > 1;
  one.focus({ focusVisible: true });
  return { name: name.trim(), isSeen };
})()`;
