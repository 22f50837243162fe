import { wholeNumber, WrongUsage } from "./arguments.ts";

/** The option of commands that show no more than so many items. */
export function limitOption(text: string): number {
  const limit = Number(wholeNumber(text, "--limit"));
  if (limit === 0) throw new WrongUsage("--limit takes 1 or more");
  return limit;
}

/** Which page is asked for. */
type Place = { readonly pageSize: number; readonly pageToken: string };

/**
 * Reads pages until there are `limit` items, or no more.
 *
 * @returns the items, the pages, the first page, and where more follow; empty: there are no more
 */
export async function readPages<Page extends { readonly nextPageToken: string }, Item>(
  limit: number,
  ask: (place: Place) => Promise<Page>,
  itemsOf: (page: Page) => readonly Item[],
): Promise<{ items: Item[]; pages: Page[]; firstPage: Page; nextPageToken: string }> {
  const items: Item[] = [];
  const pages: Page[] = [];
  let pageToken = "";
  do {
    const page = await ask({ pageSize: Math.min(limit - items.length, PAGE_MAX), pageToken });
    pages.push(page);
    items.push(...itemsOf(page));
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && items.length < limit);
  return { items, pages, firstPage: pages[0]!, nextPageToken: pageToken };
}

const PAGE_MAX = 1000;
