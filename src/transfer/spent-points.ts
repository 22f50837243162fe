import { type Apply, type Draft, inParts } from "./operations.ts";

/** Points that an account had once, and has no more. */
export type Gone = { readonly consumed: bigint; readonly expired: bigint };

/**
 * Recharges points, and consumes and expires them, in as many operations as it takes. Each part is
 * gone before the next one comes, since an account may have only so many open lots. The names are
 * part of request ids, and must stay.
 *
 * @param meanwhile done while the first part is there, if there is any
 */
export async function passGone(
  { consumed, expired }: Gone,
  run: Apply,
  meanwhile: () => Promise<void> = async () => {},
): Promise<void> {
  let left = consumed;
  for (const { part, number } of inParts(consumed + expired)) {
    await run(`spent-${number}`, { case: "recharge", value: { points: part } });
    if (number === 1) await meanwhile();
    const points = part < left ? part : left;
    left -= points;
    if (points > 0n) await run(`consumed-${number}`, consume(points));
    if (points < part) await run(`expired-${number}`, expire(part - points));
  }
}

/** Consumes so many points in one operation. */
export function consume(points: bigint): Draft {
  return { case: "consume", value: { cost: { case: "points", value: points } } };
}

function expire(points: bigint): Draft {
  return { case: "expire", value: { target: { case: "points", value: points } } };
}
