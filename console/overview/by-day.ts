import type { Sum } from "../../gen/points/v1/ledger_pb.ts";
import { type Day, daysLater } from "../parts/days.ts";
import { type Move, moveOf, MOVES } from "../parts/moves.ts";

/** What came to all accounts together and was taken from them. */
export type Moved = Readonly<Record<Move, bigint>>;

export type DayMoved = Moved & { readonly day: Day };

/**
 * The sums of each day, oldest first: also of days on which nothing happened.
 *
 * @param sums by day and kind
 * @param last the day of today; the ledger's clock may be ahead of it
 */
export function byDay(
  sums: readonly Pick<Sum, "day" | "kind" | "points">[],
  { first, last }: { readonly first: Day; readonly last: Day },
): DayMoved[] {
  const days = new Map<Day, Record<Move, bigint>>();
  const end = sums.reduce((latest, { day }) => (day > latest ? day : latest), last);
  for (let day = first; day <= end; day = daysLater(day, 1)) days.set(day, { ...NOTHING });
  for (const { day, kind, points } of sums) {
    const move = moveOf(kind);
    const moved = days.get(day);
    if (move !== undefined && moved !== undefined) moved[move] += points;
  }
  return [...days].map(([day, moved]) => ({ day, ...moved }));
}

/** All days together. */
export function totalOf(days: readonly DayMoved[]): Moved {
  const total = { ...NOTHING };
  for (const day of days) for (const move of MOVES) total[move] += day[move];
  return total;
}

const NOTHING: Moved = { recharged: 0n, refunded: 0n, consumed: 0n, expired: 0n, revoked: 0n };
