import { MAX_POINTS, min } from "../ledger/account.ts";
import { MAX_OPEN_LOTS } from "../ledger/lot.ts";
import { claimedOf } from "../verify/revoking.ts";
import type { AccountImport } from "./account-import.ts";
import { BadLine } from "./bad-line.ts";
import type { Fold, FoldedHold } from "./fold.ts";
import { type Apply, requireLimits } from "./operations.ts";
import { restorePolicies } from "./policies.ts";
import { isPast, owe, rechargeLot, rechargeSpent, take } from "./recharge.ts";
import { type Remade, remadeTotals, type Taken } from "./totals.ts";

const ROUNDS_MAX = 10_000;

/**
 * Checks that `restore` can make this account, before any operation is applied.
 *
 * @throws {BadLine} if its points, lots or holds exceed the limits of operations
 */
export function requireRestorable(fold: Fold): void {
  const { userId, refunded, lots, holds } = fold;
  remadeOf(fold);
  for (const [number, hold] of holds) {
    const flaw = flawOfHold(fold, hold);
    if (flaw === undefined) continue;
    const advice = "settle or release it before the export";
    throw new BadLine(`hold ${number} of ${userId} has points of ${flaw}: ${advice}`);
  }
  const { points: room } = roomiest(fold);
  const round = min(room, MAX_POINTS);
  if (refunded > 0n && (round === 0n || refunded / round > ROUNDS_MAX)) {
    throw new BadLine(`${refunded} refunded points are too many to be made again with ${room}`);
  }
  const parts = [...holds.values()].flatMap(({ allocations }) => allocations);
  const open = [...lots.values()].filter(({ remaining }) => remaining > 0n).length + parts.length;
  if (open > MAX_OPEN_LOTS) {
    throw new BadLine(`${userId} has ${open} lots and parts of holds, more than ${MAX_OPEN_LOTS}`);
  }
  for (const lot of lots.values()) {
    if (lot.remaining !== 0n) requireLimits(userId, { ...lot, points: lot.remaining });
  }
  for (const { points, allocations, expireTime } of holds.values()) {
    for (const part of allocations) requireLimits(userId, { points: part.points, expireTime });
    if (points !== 0n) requireLimits(userId, { points, expireTime });
  }
}

/**
 * Restores the account that the entries led to: its figures, the rest of its lots, its open holds.
 *
 * 1. The spent points are recharged, consumed, expired and revoked.
 * 2. Each hold is recharged and frozen, while there is nothing else to freeze. The longest comes
 *    first, so that holds past their time come last and leave their points in the balance.
 * 3. What is owed is taken. Nothing is there that may pay it, and whatever follows it is for some
 *    services alone, which repays nothing.
 * 4. The rest of each lot is recharged.
 * 5. The policies are set: see `restorePolicies`. Limits count anew.
 *
 * Only the server judges times: a lot that it refuses as past is recharged without a time, and
 * expired. So a repeat sends the same operations, however late it comes.
 *
 * @throws {BadLine} if the server refuses an operation
 */
export async function restore(fold: Fold, { apply, isBegun }: AccountImport): Promise<void> {
  const { holds, lots } = fold;
  const { refunded, owed, spent } = remadeOf(fold);
  const where = roomiest(fold);
  await rechargeSpent(spent, apply, async () => {
    if (where.name === "spent") await spendAndRefund(refunded, where.points, apply);
  });

  for (const [number, hold] of [...holds].toSorted(([, a], [, b]) => compareLongest(a, b))) {
    if (hold.points === 0n) continue;
    const name = `hold-${number}`;
    const recharges = hold.allocations.map(({ lot: of, points }) => {
      const { expireTime, ...made } = lots.get(of)!;
      const lot = { ...made, points, expireTime, orElse: expireTime && hold.expireTime };
      return () => rechargeLot(`${name}-lot-${of}`, lot, apply);
    });
    // An earlier import may have been of other entries: the first operation shows it.
    if (isBegun || where.name === name) {
      for (const recharge of recharges) await recharge();
      if (where.name === name) await spendAndRefund(refunded, where.points, apply);
      await freeze(name, hold, apply);
    } else {
      await freezeAfter(recharges, name, hold, apply);
    }
  }
  await owe(owed, apply);
  for (const [number, lot] of lots) {
    const { remaining: points } = lot;
    if (points > 0n) await rechargeLot(`lot-${number}`, { ...lot, points }, apply);
  }
  if (where.name === "balance") await spendAndRefund(refunded, where.points, apply);
  const { policies, time, books } = fold;
  if (time === undefined) return;
  await restorePolicies({ policies, time, debt: books.figures.debt }, apply);
}

/** Why a hold cannot be made again; undefined if it can. */
function flawOfHold({ lots, books }: Fold, { allocations }: FoldedHold): string | undefined {
  for (const { lot } of allocations) {
    // It would have to be frozen by usage of a service, at a price of today.
    if (lots.get(lot)!.services.length > 0) return `lot ${lot}, which only some services may take`;
    // What comes back of it would not meet the claim.
    if (claimedOf(books, lot) > 0n) return `lot ${lot}, of which points are claimed`;
  }
}

function remadeOf({ consumed, expired, refunded, books: { figures } }: Fold): Remade {
  const { totalRevoked: revoked, debt } = figures;
  return remadeTotals({ consumed, revoked, expired, refunded, debt });
}

/** The step with the most points to consume and refund at once: it takes the fewest rounds. */
function roomiest(fold: Fold): { name: string; points: bigint } {
  const { holds, lots } = fold;
  const { consumed, expired, revoked } = remadeOf(fold).spent;
  // Points without a service's name are taken of lots that anything may take.
  const general = [...lots.values()].filter(({ services }) => services.length === 0);
  const balance = general.reduce((sum, { remaining }) => sum + remaining, 0n);
  const places = [
    { name: "spent", points: consumed + expired + revoked },
    { name: "balance", points: balance },
    ...[...holds].map(([number, { points }]) => ({ name: `hold-${number}`, points })),
  ];
  return places.reduce((most, place) => (place.points > most.points ? place : most));
}

/** Consumes or revokes points and refunds them, which brings them back to their lots. */
async function spendAndRefund(refunded: Taken, room: bigint, apply: Apply): Promise<void> {
  const part = min(room, MAX_POINTS);
  let round = 1;
  for (const kind of ["consumed", "revoked"] as const) {
    for (let left = refunded[kind]; left > 0n; round++) {
      const points = min(left, part);
      const entry = await apply(`refunded-${round}`, take(kind, points));
      const value = { sequence: entry!.sequence };
      await apply(`refund-${round}`, { case: "refund", value });
      left -= points;
    }
  }
}

/**
 * Freezes the points of these recharges in the same call. Otherwise a lot might expire in between.
 * The freeze is repeated only if a recharge had to be repeated.
 */
async function freezeAfter(
  recharges: readonly (() => Promise<void>)[],
  name: string,
  hold: FoldedHold,
  apply: Apply,
): Promise<void> {
  const recharging = recharges.map((recharge) => recharge());
  const [frozen, ...recharged] = await Promise.allSettled([
    freeze(name, hold, apply),
    ...recharging,
  ]);
  for (const one of recharged) if (one.status === "rejected") throw one.reason;
  if (frozen.status === "rejected") await freeze(name, hold, apply);
}

/** Skips a hold that is past its time: its points stay in their lots. */
async function freeze(
  name: string,
  { points, expireTime, member }: FoldedHold,
  apply: Apply,
): Promise<void> {
  const cost = { case: "points", value: points } as const;
  const expiration = { case: "expireTime", value: expireTime } as const;
  try {
    await apply(name, { case: "freeze", value: { cost, expiration, member } });
  } catch (error) {
    if (!isPast(error)) throw error;
  }
}

function compareLongest(a: FoldedHold, b: FoldedHold): number {
  const [first, second] = [a.expireTime, b.expireTime];
  if (first.seconds !== second.seconds) return first.seconds > second.seconds ? -1 : 1;
  return second.nanos - first.nanos;
}
