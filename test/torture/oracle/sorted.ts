/** The order of a sorted list: below 0 if `a` comes first. */
export type Compare<T> = (a: T, b: T) => number;

/** Inserts an item into a sorted list. */
export function insert<T>(list: T[], item: T, compare: Compare<T>): void {
  list.splice(placeOf(list, item, compare), 0, item);
}

/** Removes an item from a sorted list. The list must contain it. */
export function remove<T>(list: T[], item: T, compare: Compare<T>): void {
  list.splice(placeOf(list, item, compare), 1);
}

/** Binary search (lower bound): the index of the first item that does not come before `item`. */
function placeOf<T>(list: readonly T[], item: T, compare: Compare<T>): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(list[middle]!, item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
