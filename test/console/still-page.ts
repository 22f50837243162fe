import { setTimeout as sleep } from "node:timers/promises";
import type { Page, Request } from "playwright-core";

const LOOK_MS = 60;

/**
 * Watches a page's requests from now on. The stream of WatchAccount goes on, and does not count.
 *
 * @returns what resolves when the page asks for nothing more, has no loader, and looks as it looked
 * before
 */
export function stillness(page: Page): () => Promise<void> {
  const asked = new Set<Request>();
  page.on("request", (request) => {
    if (!request.url().endsWith("/WatchAccount")) asked.add(request);
  });
  page.on("requestfinished", (request) => asked.delete(request));
  page.on("requestfailed", (request) => asked.delete(request));
  const look = async () => {
    const text = await page.evaluate<string>(LOOK);
    return asked.size > 0 || text.startsWith("busy") ? undefined : text;
  };
  return async () => {
    let before: string | undefined;
    for (let alike = 0; alike < 3; alike += 1) {
      await sleep(LOOK_MS);
      const now = await look();
      if (now === undefined || now !== before) alike = 0;
      before = now;
    }
  };
}

/** All that is shown, and where it is. */
const LOOK = `(() => {
  const busy = document.querySelector("main") === null || document.querySelector(".mantine-Loader-root");
  const boxes = [...document.querySelectorAll("body *")].map((one) => {
    const { left, top, width, height } = one.getBoundingClientRect();
    return [left, top, width, height].map(Math.round).join();
  });
  return (busy ? "busy" : "") + document.body.innerText + boxes.join(" ");
})()`;
