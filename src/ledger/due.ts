import type { AccountState } from "./state.ts";
import type { Command } from "./command.ts";
import { compareHoldsByExpiry, isHoldDue } from "./hold.ts";
import { type Applied, append, type Cause, THE_LEDGER } from "./journal.ts";
import { chooseLots, isDue, type Lot, moveAllocated, takeAway, thaw } from "./lot.ts";
import type { Micros } from "./time.ts";

/**
 * Books what is due before a command: each hold past its time in a RELEASE entry, the earliest
 * first, then all lots past theirs in one EXPIRE entry. That one belongs to the command if it is
 * what the command asked for; all others the ledger made by itself.
 */
export function bookDue(state: AccountState, command: Command, now: Micros): Applied {
  const nothing: Applied = { state, entries: [], entry: undefined };
  const released = releaseDueHolds(nothing, now);
  const asked = command.kind === "expire" && command.target.kind === "due";
  const booked = expireDueLots(released, asked ? command : THE_LEDGER, now);
  const answers = asked && booked !== released;
  return answers ? booked : { ...booked, entry: undefined };
}

/** Books points that a command gave back to lots past their time. Its answer stays its own. */
export function bookExpired(applied: Applied, now: Micros): Applied {
  return { ...expireDueLots(applied, THE_LEDGER, now), entry: applied.entry };
}

function releaseDueHolds(applied: Applied, now: Micros): Applied {
  const due = applied.state.holds.filter((hold) => isHoldDue(hold, now));
  return due.toSorted(compareHoldsByExpiry).reduce((before, hold) => {
    const { number, points, allocations } = hold;
    const lots = moveAllocated(before.state.lots, allocations, thaw);
    const holds = before.state.holds.map((one) =>
      one === hold ? ({ ...hold, status: "expired" } as const) : one,
    );
    const entry = { kind: "release", points, allocations, refersTo: number } as const;
    return append(before, { lots, holds }, entry, THE_LEDGER, now);
  }, applied);
}

function expireDueLots(applied: Applied, cause: Cause, now: Micros): Applied {
  const due = (lot: Lot) => isDue(lot, now);
  const points = applied.state.lots
    .filter(due)
    .reduce((sum, { remaining }) => sum + remaining, 0n);
  if (points === 0n) return applied;
  const allocations = chooseLots(applied.state.lots, points, due);
  const lots = moveAllocated(applied.state.lots, allocations, takeAway);
  return append(applied, { lots }, { kind: "expire", points, allocations }, cause, now);
}
