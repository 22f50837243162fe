import type { Account } from "../../gen/points/v1/account_pb.ts";
import type { Sum } from "../../gen/points/v1/ledger_pb.ts";
import { isAddition, type Move, moveOf, MOVES } from "../parts/moves.ts";

/** What there was of an account at an instant. */
export type Standing = Readonly<Record<"balance" | "frozen" | "debt", bigint>> & {
  /** balance + frozen − debt */
  readonly net: bigint;
};

/** What came to an account, or was taken from it, with its sign, and of what. */
export type Line = {
  readonly name: Move;
  readonly points: bigint;
  /** They add up to `points`. Undefined: there are no sums. */
  readonly parts: readonly Part[] | undefined;
};

export type Part = {
  /**
   * The category of what was recharged, or the service. Empty: none. Undefined: what the totals have
   * and the sums do not, or if it has the other sign, what they have too much.
   */
  readonly of: string | undefined;
  readonly points: bigint;
};

/** Where an account's points came from and went to: start + lines = end. */
export type Movements = {
  readonly start: Standing;
  readonly lines: readonly Line[];
  readonly end: Standing;
};

/** What is read of an account. */
export type AccountFigures = Pick<
  Account,
  | "balance"
  | "frozen"
  | "debt"
  | "totalRecharged"
  | "totalRefunded"
  | "totalConsumed"
  | "totalExpired"
  | "totalRevoked"
>;

/**
 * The movements between two instants. The lines are the differences of the account's totals, which are
 * exact at each instant and count what was due; their parts are sums, which lack what is booked later.
 *
 * @param start undefined: there was no account yet
 * @param sums by kind, service and category of the time between; undefined: there are none
 */
export function movementsOf(
  start: AccountFigures | undefined,
  end: AccountFigures | undefined,
  sums: readonly MovementSum[] | undefined,
): Movements {
  const [first, last] = [start ?? NOTHING, end ?? NOTHING];
  const lines = MOVES.map((name): Line => {
    const { total, by } = OF_MOVE[name];
    const sign = isAddition(name) ? 1n : -1n;
    const points = sign * (last[total] - first[total]);
    if (sums === undefined) return { name, points, parts: undefined };
    const named = new Map<string, bigint>();
    for (const sum of sums) {
      if (moveOf(sum.kind) !== name) continue;
      const of = by === undefined ? "" : sum[by];
      named.set(of, (named.get(of) ?? 0n) + sign * sum.points);
    }
    const parts: Part[] = [...named]
      .map(([of, some]) => ({ of, points: some }))
      // What was free.
      .filter((part) => part.points !== 0n)
      .toSorted(largest);
    const lacking = parts.reduce((rest, part) => rest - part.points, points);
    if (lacking !== 0n) parts.push({ of: undefined, points: lacking });
    return { name, points, parts };
  });
  return { start: standingOf(first), lines, end: standingOf(last) };
}

/** Whether what there was, and all that came and went, comes to what there is. */
export function addsUp({ start, lines, end }: Movements): boolean {
  return lines.reduce((sum, { points }) => sum + points, start.net) === end.net;
}

/** What a movement needs of a sum. */
export type MovementSum = Pick<Sum, "kind" | "service" | "category" | "points">;

const NOTHING: AccountFigures = {
  balance: 0n,
  frozen: 0n,
  debt: 0n,
  totalRecharged: 0n,
  totalRefunded: 0n,
  totalConsumed: 0n,
  totalExpired: 0n,
  totalRevoked: 0n,
};

/** The total of an account that a move adds to, and what its sums are by. */
const OF_MOVE: Readonly<
  Record<Move, { readonly total: keyof AccountFigures; readonly by?: "category" | "service" }>
> = {
  recharged: { total: "totalRecharged", by: "category" },
  refunded: { total: "totalRefunded", by: "service" },
  consumed: { total: "totalConsumed", by: "service" },
  expired: { total: "totalExpired" },
  revoked: { total: "totalRevoked" },
};

function standingOf({ balance, frozen, debt }: AccountFigures): Standing {
  return { balance, frozen, debt, net: balance + frozen - debt };
}

/** The most points first, whichever way; then by name. */
function largest(a: Part, b: Part): number {
  const [more, less] = [size(a.points), size(b.points)];
  if (more !== less) return more > less ? -1 : 1;
  return a.of! < b.of! ? -1 : 1;
}

function size(points: bigint): bigint {
  return points < 0n ? -points : points;
}
