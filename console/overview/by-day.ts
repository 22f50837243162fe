import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import type { Sum } from "../../gen/points/v1/ledger_pb.ts";
import { type Day, daysLater } from "../parts/days.ts";

/** What came to all accounts together and was taken from them. */
export type Moved = Readonly<Record<(typeof MOVES)[number], bigint>>;

export type DayMoved = Moved & { readonly day: Day };

/** In the order in which they are shown. */
export const MOVES = ["issued", "refunded", "consumed", "expired", "revoked"] as const;

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
  const days = new Map<Day, Record<keyof Moved, bigint>>();
  const end = sums.reduce((latest, { day }) => (day > latest ? day : latest), last);
  for (let day = first; day <= end; day = daysLater(day, 1)) days.set(day, { ...NOTHING });
  for (const { day, kind, points } of sums) {
    const move = MOVE_OF[kind];
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

/** Whether it adds to what users have. */
export function isAddition(move: keyof Moved): boolean {
  return move === "issued" || move === "refunded";
}

const NOTHING: Moved = { issued: 0n, refunded: 0n, consumed: 0n, expired: 0n, revoked: 0n };

const MOVE_OF: { readonly [Kind in EntryKind]?: keyof Moved } = {
  [EntryKind.RECHARGE]: "issued",
  [EntryKind.REFUND]: "refunded",
  [EntryKind.CONSUME]: "consumed",
  [EntryKind.SETTLE]: "consumed",
  [EntryKind.EXPIRE]: "expired",
  [EntryKind.REVOKE]: "revoked",
};
