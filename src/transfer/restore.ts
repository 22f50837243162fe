import { MAX_POINTS } from "../ledger/account.ts";
import { MAX_OPEN_LOTS } from "../ledger/command.ts";
import { BadLine } from "./bad-line.ts";
import type { Fold, FoldedHold } from "./fold.ts";
import type { Making } from "./making.ts";
import { type Apply, requireLimits } from "./operations.ts";
import { isPast, rechargeLot } from "./recharge-lot.ts";
import { consume, passGone } from "./spent-points.ts";

const ROUNDS_MAX = 10_000;

/**
 * Checks, before anything is applied, that `restore` can make it.
 *
 * @throws {BadLine} if it has more or stranger points than operations may have
 */
export function requireRestorable(fold: Fold): void {
  const { userId, consumed, refunded, lots, holds } = fold;
  if (refunded > consumed) {
    throw new BadLine(`${refunded} points were refunded, and only ${consumed} consumed`);
  }
  const { points: room } = roomiest(fold);
  const round = room < MAX_POINTS ? room : MAX_POINTS;
  if (refunded > 0n && (round === 0n || refunded / round > ROUNDS_MAX)) {
    throw new BadLine(`${refunded} refunded points are too many to be made again with ${room}`);
  }
  const parts = [...holds.values()].flatMap(({ allocations }) => allocations);
  const open = [...lots.values()].filter(({ remaining }) => remaining > 0n).length + parts.length;
  if (open > MAX_OPEN_LOTS) {
    throw new BadLine(`${userId} has ${open} lots and parts of holds, more than ${MAX_OPEN_LOTS}`);
  }
  for (const { remaining, priority, expireTime } of lots.values()) {
    if (remaining !== 0n) requireLimits(userId, { points: remaining, priority, expireTime });
  }
  for (const { points, allocations, expireTime } of holds.values()) {
    for (const part of allocations) requireLimits(userId, { points: part.points, expireTime });
    if (points !== 0n) requireLimits(userId, { points, expireTime });
  }
}

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
export async function restore(fold: Fold, { apply: run, isBegun }: Making): Promise<void> {
  const { consumed, expired, refunded, holds, lots } = fold;
  const where = roomiest(fold);
  await passGone({ consumed: consumed - refunded, expired }, run, async () => {
    if (where.name === "spent") await spendAndRefund(refunded, where.points, run);
  });

  for (const [number, hold] of [...holds].toSorted(([, a], [, b]) => compareLongest(a, b))) {
    if (hold.points === 0n) continue;
    const name = `hold-${number}`;
    const recharges = hold.allocations.map(({ lot: of, points }) => {
      const { priority, expireTime } = lots.get(of)!;
      const lot = { points, priority, expireTime, orElse: expireTime && hold.expireTime };
      return () => rechargeLot(`${name}-lot-${of}`, lot, run);
    });
    // What was begun before may have been another account: the first operation shows it.
    if (isBegun || where.name === name) {
      for (const recharge of recharges) await recharge();
      if (where.name === name) await spendAndRefund(refunded, where.points, run);
      await freeze(name, hold, run);
    } else {
      await freezeAfter(recharges, name, hold, run);
    }
  }
  for (const [number, { remaining: points, priority, expireTime }] of lots) {
    if (points > 0n) await rechargeLot(`lot-${number}`, { points, priority, expireTime }, run);
  }
  if (where.name === "balance") await spendAndRefund(refunded, where.points, run);
}

/** When most points can be consumed and refunded at once: so it takes the fewest rounds. */
function roomiest(fold: Fold): { name: string; points: bigint } {
  const { holds, balance, consumed, expired, refunded } = fold;
  const places = [
    { name: "spent", points: consumed + expired - refunded },
    { name: "balance", points: balance },
    ...[...holds].map(([number, { points }]) => ({ name: `hold-${number}`, points })),
  ];
  return places.reduce((most, place) => (place.points > most.points ? place : most));
}

/** Refunded points were consumed, and came back to where they came from. */
async function spendAndRefund(refunded: bigint, room: bigint, run: Apply): Promise<void> {
  if (refunded === 0n) return;
  const part = room < MAX_POINTS ? room : MAX_POINTS;
  let left = refunded;
  for (let round = 1; left > 0n; round++) {
    const points = left < part ? left : part;
    const entry = await run(`refunded-${round}`, consume(points));
    const value = { sequence: entry!.sequence };
    await run(`refund-${round}`, { case: "refund", value });
    left -= points;
  }
}

/**
 * Freezes the points that these recharges bring, in the same call: else a lot's time might come in
 * between. Only where a recharge has to be made again must the freeze be, too.
 */
async function freezeAfter(
  recharges: readonly (() => Promise<void>)[],
  name: string,
  hold: FoldedHold,
  run: Apply,
): Promise<void> {
  const recharging = recharges.map((recharge) => recharge());
  const [frozen, ...recharged] = await Promise.allSettled([freeze(name, hold, run), ...recharging]);
  for (const one of recharged) if (one.status === "rejected") throw one.reason;
  if (frozen.status === "rejected") await freeze(name, hold, run);
}

/** A hold past its time is left out: its points are back in their lots. */
async function freeze(name: string, { points, expireTime }: FoldedHold, run: Apply): Promise<void> {
  const cost = { case: "points", value: points } as const;
  const expiration = { case: "expireTime", value: expireTime } as const;
  try {
    await run(name, { case: "freeze", value: { cost, expiration } });
  } catch (error) {
    if (!isPast(error)) throw error;
  }
}

function compareLongest(a: FoldedHold, b: FoldedHold): number {
  const [first, second] = [a.expireTime, b.expireTime];
  if (first.seconds !== second.seconds) return first.seconds > second.seconds ? -1 : 1;
  return second.nanos - first.nanos;
}
