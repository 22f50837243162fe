/** What is read, and written, at once: memory stays bounded, and no statement takes long. */
export const PAGE_ROWS = 2_000;

/**
 * Goes through an account's rows in the order of a column. A page's update should say its first and
 * its last value, too: else PostgreSQL may look through all rows of the account for each page.
 *
 * @param page reads and writes at most PAGE_ROWS rows after this value, and gives their values in order
 * @param first comes before all
 * @returns the number of rows
 */
export async function inPages<Value>(
  first: Value,
  page: (after: Value) => Promise<readonly Value[]>,
): Promise<number> {
  let count = 0;
  let last = first;
  for (;;) {
    const values = await page(last);
    count += values.length;
    if (values.length < PAGE_ROWS) return count;
    last = values.at(-1)!;
  }
}
