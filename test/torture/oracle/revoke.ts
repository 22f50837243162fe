import { type RevokeRequest, Shortfall } from "../../../gen/points/v1/points_pb.ts";
import { burn, insufficient, isFor, least } from "./debt.ts";
import { entryChanged } from "./guard.ts";
import { type Part, totalOf } from "./parts.ts";
import { INVALID, MAX_TOTAL, refused, type Refused, roomOf } from "./refusals.ts";
import {
  addSpend,
  type Draft,
  draftOf,
  type Replayed,
  type ReplayedLot,
  takeParts,
} from "./replay.ts";

/** The oracle's verdict on a Revoke: of points in burn order, or of one lot. */
export function decideRevoke(account: Replayed, request: RevokeRequest): Draft | Refused {
  const { target, onShortfall } = request;
  switch (target.case) {
    case undefined:
      return INVALID;
    case "points":
      return revokePoints(account, target.value, onShortfall);
    case "lot":
      return revokeLot(account, target.value, request);
  }
}

/** A draft by which a claim takes what came back to its lot. */
export function takingOf({ number, remaining, claimed }: ReplayedLot): Draft {
  const parts = [{ lot: number, points: least(remaining, claimed) }];
  const draft = draftOf("revoke", parts);
  return {
    ...draft,
    refersTo: number,
    fromClaim: true,
    change(after) {
      takeParts(after, parts);
      after.totalRevoked += draft.points;
      after.lots.get(number)!.claimed -= draft.points;
    },
  };
}

function revokePoints(account: Replayed, required: bigint, onShortfall: Shortfall) {
  const parts = burn(account, required, () => true);
  const shortfall = required - totalOf(parts);
  if (shortfall > 0n && !takesLess(onShortfall)) {
    return insufficient(account, { required, shortfall }, () => true);
  }
  const owed = onShortfall === Shortfall.OWE ? shortfall : 0n;
  if (owed > roomOf(account)) return DEBT_TOO_LARGE;
  return revokeOf({ parts, owed, uncovered: shortfall - owed });
}

function revokeLot(
  account: Replayed,
  number: bigint,
  { lotPoints, onShortfall, expectedHash }: RevokeRequest,
): Draft | Refused {
  const changed = entryChanged(account, number, expectedHash);
  if (changed !== undefined) return changed;
  const lot = account.lots.get(number);
  if (lot === undefined) return refused("LOT_NOT_FOUND", { lot: number });
  const revocable = lot.points - lot.revoked;
  const required = lotPoints ?? revocable;
  if (required > revocable || revocable === 0n) {
    return refused("REVOKE_EXCEEDS_LOT", { lot: number, revocable, required });
  }
  const own = least(required, lot.remaining);
  const shortfall = required - own;
  if (shortfall > 0n && !takesLess(onShortfall)) {
    const { balance } = account;
    return refused("INSUFFICIENT_POINTS", { balance, usable: lot.remaining, required, shortfall });
  }
  const owes = onShortfall === Shortfall.OWE;
  const isOther = (one: ReplayedLot) => one !== lot && isFor(one, undefined);
  const beside = owes ? burn(account, shortfall, isOther) : [];
  const lacking = shortfall - totalOf(beside);
  const [owed, uncovered] = owes ? [lacking, 0n] : [0n, lacking];
  if (owed > roomOf(account)) return DEBT_TOO_LARGE;
  const parts = [...(own === 0n ? [] : [{ lot: number, points: own }]), ...beside];
  return revokeOf({ parts, owed, uncovered, ofLot: { lot: number, points: required } });
}

type Revoking = {
  readonly parts: readonly Part[];
  readonly owed: bigint;
  readonly uncovered: bigint;
  /** The lot that was named, and what of it is revoked. */
  readonly ofLot?: Part;
};

function revokeOf({ parts, owed, uncovered, ofLot }: Revoking): Draft {
  const points = totalOf(parts) + owed;
  const claim = ofLot && { lot: ofLot.lot, points: uncovered };
  return {
    ...draftOf("revoke", parts),
    points,
    owed,
    uncovered,
    refersTo: ofLot?.lot ?? 0n,
    change(after) {
      takeParts(after, parts);
      after.totalRevoked += points;
      addSpend(after, { points, parts, owed, claim });
      if (ofLot === undefined) return;
      const lot = after.lots.get(ofLot.lot)!;
      lot.revoked += ofLot.points;
      lot.claimed += uncovered;
    },
  };
}

function takesLess(onShortfall: Shortfall): boolean {
  return onShortfall === Shortfall.TAKE || onShortfall === Shortfall.OWE;
}

const DEBT_TOO_LARGE = refused("TOTAL_TOO_LARGE", { total: "debt", limit: MAX_TOTAL });
