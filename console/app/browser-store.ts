/**
 * What the browser remembers for the page, if it may: where it is told to keep nothing of sites, the
 * page works without.
 */
export function remembered(store: Store, key: string): string | null {
  try {
    return window[store].getItem(key);
  } catch {
    return null;
  }
}

/** @param text null: forgets it */
export function remember(store: Store, key: string, text: string | null): void {
  try {
    if (text === null) window[store].removeItem(key);
    else window[store].setItem(key, text);
  } catch {
    // Nothing that the page needs.
  }
}

/** For good, or for this tab. */
type Store = "localStorage" | "sessionStorage";
