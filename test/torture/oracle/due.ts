import { type ComeBack, comeBack } from "./debt.ts";
import { type Part, totalOf } from "./parts.ts";
import {
  type Appointment,
  closeHold,
  type Dated,
  type Draft,
  draftOf,
  isPast,
  moveLot,
  order,
  type Replayed,
  type ReplayedHold,
} from "./replay.ts";
import { takingOf } from "./revoke.ts";

// What happens by itself: claims take, holds end, and lots expire.

/** The ledger expires at most this many lots in one entry. */
const EXPIRED_LOTS_MAX = 500;

/** The next instant at which something falls due; undefined: never. */
export function nextDueTime(account: Replayed): bigint | undefined {
  return nextAppointment(account)?.at;
}

/** Whether something is due by an instant. */
export function isDue(account: Replayed, now: bigint): boolean {
  const time = nextDueTime(account);
  return time !== undefined && time <= now;
}

/** The next entry of what is due; its time is the instant at which it falls due. */
export function dueDraft(account: Replayed): Dated | undefined {
  const next = nextAppointment(account);
  if (next === undefined) return undefined;
  const { at: time, what, number } = next;
  if (what === "claim") return { ...takingOf(account.lots.get(number)!), time };
  if (what === "hold") {
    const hold = account.holds.get(number)!;
    return { ...releaseOf(account, hold, "expired", time), time };
  }
  const parts = [...account.openLots]
    .filter((lot) => lot.remaining > 0n && isPast(lot, time))
    .toSorted((a, b) => order(a.number, b.number))
    .slice(0, EXPIRED_LOTS_MAX)
    .map((lot) => ({ lot: lot.number, points: lot.remaining }));
  return { ...expiryOf(parts), time };
}

/** A draft that gives all that a hold still has back to its lots. */
export function releaseOf(
  account: Replayed,
  hold: ReplayedHold,
  status: "released" | "expired",
  now: bigint,
): Draft {
  const { parts, number } = hold;
  const points = totalOf(parts);
  const back = comeBack(account, parts, { debt: account.debt, now });
  const draft = { ...draftOf("release", back.kept), points, repaid: totalOf(back.repaying) };
  return {
    ...draft,
    refersTo: number,
    change(after) {
      unfreeze(after, back);
      closeHold(after, hold, status);
    },
  };
}

/** Takes points of a hold back to the balance, but for those that repay debt. */
export function unfreeze(after: Replayed, { kept, repaying, repaidUntil }: ComeBack): void {
  const repaid = totalOf(repaying);
  after.balance += totalOf(kept);
  after.frozen -= totalOf(kept) + repaid;
  after.debt -= repaid;
  after.repaidUntil = repaidUntil;
  for (const part of kept) moveLot(after, part.lot, part.points, -part.points);
  for (const part of repaying) moveLot(after, part.lot, 0n, -part.points);
}

/** A draft that takes points from the balance as expired. */
export function expiryOf(parts: readonly Part[]): Draft {
  const draft = draftOf("expire", parts);
  return {
    ...draft,
    change(after) {
      after.balance -= draft.points;
      after.totalExpired += draft.points;
      for (const part of parts) moveLot(after, part.lot, -part.points, 0n);
    },
  };
}

function nextAppointment({ agenda, lots, holds }: Replayed): Appointment | undefined {
  const isOn = ({ at, what, number }: Appointment) => {
    if (what !== "hold") {
      const { remaining, claimed } = lots.get(number)!;
      return remaining > 0n && (what === "lot" || claimed > 0n);
    }
    const { status, expireTime } = holds.get(number)!;
    return status === "open" && expireTime === at;
  };
  while (agenda.length > 0 && !isOn(agenda[0]!)) agenda.shift();
  return agenda[0];
}
