import { hasRoom, MAX_TOTAL, min } from "./account.ts";
import { revocationOf } from "./claim.ts";
import type { Revoke } from "./command.ts";
import { pay } from "./debt.ts";
import { entryChanged } from "./guard.ts";
import { type Applied, append, type Draft } from "./journal.ts";
import { chooseLots, isScoped, type Lot, moveAllocated, takePoints } from "./lot.ts";
import { overMaxPoints, type Rejection } from "./rejection.ts";
import type { AccountState } from "./state.ts";
import type { Micros } from "./time.ts";
import { insufficientBy, usableFor } from "./usable.ts";

/**
 * Takes points away that the user should not have had: points in burn order, of any lots; or points of
 * one lot, as far as it still has them. What is lacking is refused; or stays uncovered, and of a lot
 * also a claim on it; or other lots without services pay it, and the rest becomes debt. All that is ever
 * revoked of a lot never exceeds it.
 */
export function revoke(booked: Applied, command: Revoke, now: Micros): Applied | Rejection {
  const { target } = command;
  return target.kind === "points"
    ? revokePoints(booked, { command, points: target.points, now })
    : revokeLot(booked, { command, target, now });
}

function revokePoints(
  booked: Applied,
  { command, points: required, now }: { command: Revoke; points: bigint; now: Micros },
): Applied | Rejection {
  const { state } = booked;
  const { onShortfall } = command;
  const denied = overMaxPoints(command, required);
  if (denied !== undefined) return denied;
  const service = undefined;
  const boundless = { points: required, service, creditLine: MAX_TOTAL };
  const { taken, owed, uncovered } = pay(state, boundless, onShortfall);
  if (uncovered > 0n && onShortfall === "refuse") {
    return insufficientBy(state, { required, service, shortfall: uncovered });
  }
  if (uncovered > 0n && onShortfall === "owe") return DEBT_TOO_LARGE;
  // Everything is checked; from here on it changes.
  const allocations = chooseLots(state.lots, taken, service);
  const lots = moveAllocated(state.lots, allocations, takePoints);
  const entry: Draft = { kind: "revoke", points: taken + owed, allocations, owed, uncovered };
  return append(booked, { change: { lots }, entry, cause: command, now });
}

type LotTarget = Extract<Revoke["target"], { kind: "lot" }>;

function revokeLot(
  booked: Applied,
  { command, target, now }: { command: Revoke; target: LotTarget; now: Micros },
): Applied | Rejection {
  const { state } = booked;
  const { lot: number } = target;
  const changed = entryChanged(state, number, target.expectedHash);
  if (changed !== undefined) return changed;
  const lot = state.lots.find((one) => one.number === number);
  if (lot === undefined) return { reason: "LOT_NOT_FOUND", lot: number };
  const revocation = revocationOf(state.revoked, number);
  const revocable = lot.points - revocation.revoked;
  const required = target.points ?? revocable;
  if (required > revocable || revocable === 0n) {
    return { reason: "REVOKE_EXCEEDS_LOT", lot: number, revocable, required };
  }
  const denied = overMaxPoints(command, required);
  if (denied !== undefined) return denied;
  const ofLot = min(required, lot.remaining);
  const { onShortfall } = command;
  const beyond = beyondLot(state, { lot, ofLot, lacking: required - ofLot, onShortfall });
  if (beyond === "refused") {
    const { balance } = state.account;
    const facts = { balance, usable: lot.remaining, required, shortfall: required - ofLot };
    return { reason: "INSUFFICIENT_POINTS", ...facts };
  }
  const { beside, owed, claimed } = beyond;
  if (!hasRoom(state.account, owed)) return DEBT_TOO_LARGE;
  // Everything is checked; from here on it changes.
  const own = ofLot === 0n ? [] : [{ lot: number, points: ofLot }];
  const left = moveAllocated(state.lots, own, takePoints);
  const others = chooseLots(left, beside, null);
  const change = {
    lots: moveAllocated(left, others, takePoints),
    revoked: new Map(state.revoked).set(number, {
      revoked: revocation.revoked + required,
      claimed: revocation.claimed + claimed,
    }),
  };
  const entry: Draft = {
    kind: "revoke",
    points: ofLot + beside + owed,
    allocations: [...own, ...others],
    owed,
    uncovered: claimed,
    refersTo: number,
  };
  return append(booked, { change, entry, cause: command, now });
}

/** What becomes of points that are revoked of a lot and that it lacks. */
function beyondLot(
  state: AccountState,
  {
    lot,
    ofLot,
    lacking,
    onShortfall,
  }: { lot: Lot; ofLot: bigint; lacking: bigint; onShortfall: Revoke["onShortfall"] },
): { beside: bigint; owed: bigint; claimed: bigint } | "refused" {
  if (lacking === 0n) return { beside: 0n, owed: 0n, claimed: 0n };
  switch (onShortfall) {
    case "refuse":
      return "refused";
    case "take":
      return { beside: 0n, owed: 0n, claimed: lacking };
    case "owe": {
      const ofOthers = usableFor(state, null) - (isScoped(lot) ? 0n : ofLot);
      const beside = min(lacking, ofOthers);
      return { beside, owed: lacking - beside, claimed: 0n };
    }
  }
}

const DEBT_TOO_LARGE: Rejection = { reason: "TOTAL_TOO_LARGE", total: "debt", limit: MAX_TOTAL };
