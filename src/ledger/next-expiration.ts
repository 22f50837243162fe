import type { Lot } from "./lot.ts";
import type { Micros } from "./time.ts";

/** When points of a balance expire next, and how many. */
export type NextExpiration = { readonly time: Micros; readonly points: bigint };

/**
 * Finds out when points expire next, and how many at that instant; undefined: none ever will.
 *
 * @param lots of which nothing is due any more
 */
export function nextExpirationOf(
  lots: Iterable<Pick<Lot, "remaining" | "expireTime">>,
): NextExpiration | undefined {
  let next: NextExpiration | undefined;
  for (const { remaining, expireTime: time } of lots) {
    if (remaining === 0n || time === null) continue;
    if (next === undefined || time < next.time) next = { time, points: remaining };
    else if (time === next.time) next = { time, points: next.points + remaining };
  }
  return next;
}
