/**
 * How many times as much as in the daily run the long tests do: `npm run test:long` sets it. The daily
 * run must stay short; what is rare may take the long one to find.
 */
export const TIMES = Number(process.env["POINTS_TEST_TIMES"] ?? 1);

/** A number as titles say it: 300,000. */
export function withCommas(number: number): string {
  return number.toLocaleString("en");
}
