import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { MAX_POINTS } from "../ledger/account.ts";
import type { Fold, FoldedHold, FoldedLot } from "./fold.ts";
import { consume, consumeGone, expireGone, rechargeGone } from "./gone.ts";
import { type Apply, BadLine, type Done } from "./operations.ts";

const ROUNDS_MAX = 10_000;

/**
 * Makes an account what its entries led to: its figures, what its lots have left, its open holds.
 *
 * What is gone is recharged, consumed and expired first. Then each hold, while nothing else can be
 * frozen, the longest first, so that those past their time come last and leave their points in the
 * balance. Then what is left of the lots. Times are judged by the server alone: what it refuses as
 * past is recharged without a time and expired. So a repeat asks for the same, however late.
 *
 * @throws {BadLine} if the server refuses one of the operations
 */
export async function restore(fold: Fold, run: Apply): Promise<void> {
  const { consumed, expired, refunded, holds, lots } = fold;
  const spent = consumed + expired - refunded;
  await rechargeGone(spent, run);
  const where = roomiest(fold, spent);
  if (where.name === "spent") await spendAndRefund(refunded, where.points, run);
  await consumeGone(consumed - refunded, run);
  await expireGone(expired, run);

  for (const [number, hold] of [...holds].toSorted(([, a], [, b]) => compareLongest(a, b))) {
    if (hold.points === 0n) continue;
    const name = `hold-${number}`;
    const recharges = hold.allocations.map(({ lot: of, points }) =>
      rechargeLot(`${name}-lot-${of}`, points, lots.get(of)!, run, hold.expireTime),
    );
    if (where.name === name) {
      await Promise.all(recharges);
      await spendAndRefund(refunded, where.points, run);
    }
    await freezeAfter(recharges, name, hold, run);
  }
  for (const [number, lot] of lots) {
    if (lot.remaining > 0n) await rechargeLot(`lot-${number}`, lot.remaining, lot, run);
  }
  if (where.name === "balance") await spendAndRefund(refunded, where.points, run);
}

/** When most points can be consumed and refunded at once: so it takes the fewest rounds. */
function roomiest({ holds, balance }: Fold, spent: bigint): { name: string; points: bigint } {
  const places = [
    { name: "spent", points: spent },
    { name: "balance", points: balance },
    ...[...holds].map(([number, { points }]) => ({ name: `hold-${number}`, points })),
  ];
  return places.reduce((most, place) => (place.points > most.points ? place : most));
}

/** Refunded points were consumed, and came back to where they came from. */
async function spendAndRefund(refunded: bigint, room: bigint, run: Apply): Promise<void> {
  if (refunded === 0n) return;
  const part = room < MAX_POINTS ? room : MAX_POINTS;
  if (part === 0n || refunded / part > ROUNDS_MAX) {
    throw new BadLine(`${refunded} refunded points are too many to be made again with ${room}`);
  }
  let left = refunded;
  for (let round = 1; left > 0n; round++) {
    const points = left < part ? left : part;
    const { entry } = await run(`refunded-${round}`, consume(points));
    const value = { sequence: entry!.sequence };
    await run(`refund-${round}`, { case: "refund", value });
    left -= points;
  }
}

/**
 * @param orElse the time to take if the lot's own is past: of points of a hold, which stay its own
 * past their lot's time
 */
async function rechargeLot(
  name: string,
  points: bigint,
  { priority, expireTime }: FoldedLot,
  run: Apply,
  orElse?: Timestamp,
): Promise<void> {
  const times = [expireTime, ...(orElse === undefined ? [] : [orElse])];
  for (const [index, time] of times.entries()) {
    const expiration = time && ({ case: "expireTime", value: time } as const);
    const value = { points, priority, ...(expiration && { expiration }) };
    const timed = index === 0 ? name : `${name}-late`;
    const done = await unlessPast(run(timed, { case: "recharge", value }));
    if (done !== undefined) return;
  }
  const { entry } = await run(`${name}-past`, { case: "recharge", value: { points } });
  const target = { case: "lot", value: entry!.sequence } as const;
  await run(`${name}-expired`, { case: "expire", value: { target } });
}

/**
 * Freezes the points that these recharges bring, in the same call: else a lot's time might come in
 * between. Only where a recharge has to be made again must the freeze be, too.
 */
async function freezeAfter(
  recharges: readonly Promise<void>[],
  name: string,
  hold: FoldedHold,
  run: Apply,
): Promise<void> {
  const [frozen, ...recharged] = await Promise.allSettled([freeze(name, hold, run), ...recharges]);
  for (const one of recharged) if (one.status === "rejected") throw one.reason;
  if (frozen.status === "rejected") await freeze(name, hold, run);
}

/** A hold past its time is left out: its points are back in their lots. */
async function freeze(name: string, { points, expireTime }: FoldedHold, run: Apply): Promise<void> {
  const cost = { case: "points", value: points } as const;
  const expiration = { case: "expireTime", value: expireTime } as const;
  await unlessPast(run(name, { case: "freeze", value: { cost, expiration } }));
}

/** @returns undefined if the server said that its expire_time is past */
async function unlessPast(done: Promise<Done>): Promise<Done | undefined> {
  try {
    return await done;
  } catch (error) {
    const violations = error instanceof BadLine ? (error.refusal?.violations ?? []) : [];
    if (violations.some(({ field }) => field === "expire_time")) return undefined;
    throw error;
  }
}

function compareLongest(a: FoldedHold, b: FoldedHold): number {
  const [first, second] = [a.expireTime, b.expireTime];
  if (first.seconds !== second.seconds) return first.seconds > second.seconds ? -1 : 1;
  return second.nanos - first.nanos;
}
