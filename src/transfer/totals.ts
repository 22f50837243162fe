import { min } from "../ledger/account.ts";
import { BadLine } from "./bad-line.ts";

/** Points that were consumed, and points that were revoked. */
export type Taken = { readonly consumed: bigint; readonly revoked: bigint };

/** How an account's totals are made again. The parts of `consumed` add up to it, as those of `revoked`. */
export type Remade = {
  /** Taken, and refunded. */
  readonly refunded: Taken;
  /** Taken though nobody has them, so that they become debt. */
  readonly owed: Taken;
  /** Recharged, and taken or expired. */
  readonly spent: Taken & { readonly expired: bigint };
};

/**
 * Divides an account's totals. Which entries were refunded, and which made its debt, does not matter
 * for them: consumed points come first.
 *
 * @throws {BadLine} if more was refunded, or is owed, than was taken
 */
export function remadeTotals(
  all: Taken & { readonly expired: bigint; readonly refunded: bigint; readonly debt: bigint },
): Remade {
  const refunded = divide(all, all.refunded, "were refunded");
  const left = less(all, refunded);
  const owed = divide(left, all.debt, "are owed");
  return { refunded, owed, spent: { ...less(left, owed), expired: all.expired } };
}

function divide(taken: Taken, points: bigint, what: string): Taken {
  const { consumed, revoked } = taken;
  if (points > consumed + revoked) {
    throw new BadLine(
      `${points} points ${what}, and only ${consumed + revoked} consumed or revoked`,
    );
  }
  const first = min(points, consumed);
  return { consumed: first, revoked: points - first };
}

function less(all: Taken, some: Taken): Taken {
  return { consumed: all.consumed - some.consumed, revoked: all.revoked - some.revoked };
}
