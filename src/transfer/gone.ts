import { type Apply, type Draft, inParts } from "./operations.ts";

// Points that an account had once, and has no more: they are recharged, consumed and expired, in
// as many operations as they take. The names are part of request ids, and must stay.

/** Recharges what is to be consumed and expired. */
export async function rechargeGone(points: bigint, run: Apply): Promise<void> {
  for (const { part, number } of inParts(points)) {
    await run(`spent-${number}`, { case: "recharge", value: { points: part } });
  }
}

/** Consumes it. */
export async function consumeGone(points: bigint, run: Apply): Promise<void> {
  for (const { part, number } of inParts(points)) await run(`consumed-${number}`, consume(part));
}

/** Expires it. */
export async function expireGone(points: bigint, run: Apply): Promise<void> {
  for (const { part, number } of inParts(points)) {
    const target = { case: "points", value: part } as const;
    await run(`expired-${number}`, { case: "expire", value: { target } });
  }
}

/** Consumes so many points in one operation. */
export function consume(points: bigint): Draft {
  return { case: "consume", value: { cost: { case: "points", value: points } } };
}
