/** How two items of a sorted list follow each other: below 0, the first comes first. */
export type Compare<T> = (a: T, b: T) => number;

/** Puts an item into a sorted list. */
export function insert<T>(list: T[], item: T, compare: Compare<T>): void {
  list.splice(placeOf(list, item, compare), 0, item);
}

/** Takes an item out of a sorted list in which it is. */
export function remove<T>(list: T[], item: T, compare: Compare<T>): void {
  list.splice(placeOf(list, item, compare), 1);
}

/** Before the first that does not come before the item. */
function placeOf<T>(list: readonly T[], item: T, compare: Compare<T>): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(list[middle]!, item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
