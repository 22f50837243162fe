import { laterOf, MAX_POINTS } from "./account.ts";
import type { Deadline, ExtendHold } from "./command.ts";
import { fieldOf, holdEndOf } from "./expiration.ts";
import { type Hold, heldBy } from "./hold.ts";
import { type Applied, append, type Draft } from "./journal.ts";
import { count, limitExceeded } from "./limit.ts";
import { chooseLots, freezePoints, mergeAllocations, moveAllocated } from "./lot.ts";
import { openHold, otherService, withHold } from "./named-hold.ts";
import { type Cost, costAt, serviceOf } from "./prices.ts";
import { isRejection, overMaxPoints, type Rejection } from "./rejection.ts";
import type { Micros } from "./time.ts";
import { insufficient } from "./usable.ts";

/**
 * Sets more points aside for a hold, or gives it more time, or both. The hold has each lot once: points
 * of a lot that it has points of already are spent with those. So a hold that is extended every second
 * stays as small as its lots are few. It never has more points than one command may move.
 */
export function extendHold(booked: Applied, command: ExtendHold, now: Micros): Applied | Rejection {
  const { state } = booked;
  const hold = openHold(state, command);
  if (isRejection(hold)) return hold;
  const end = laterEnd(hold, command.expiration, now);
  if (isRejection(end)) return end;
  const cost = command.more === undefined ? NO_POINTS : costAt(command.more, now);
  if (isRejection(cost)) return cost;
  const service = serviceOf(cost);
  // A hold that was made by points may be settled by usage of any service, and so it may have no
  // points that only some may take.
  const takenFor = hold.service === null ? null : service;
  const ofHold = { service: hold.service, member: hold.member };
  const refusal =
    otherService(hold, service) ??
    overMaxPoints(command, cost.points) ??
    limitExceeded(state.policies, { ...ofHold, points: cost.points }, now) ??
    insufficient(state, cost.points, takenFor);
  if (refusal !== undefined) return refusal;
  if (heldBy(hold) + cost.points > MAX_POINTS) {
    return { reason: "TOTAL_TOO_LARGE", total: "hold", limit: MAX_POINTS };
  }
  // Everything is checked; from here on it changes.
  const { points, usage } = cost;
  const { expireTime } = end;
  const sequence = state.account.sequence + 1n;
  const added = chooseLots(state.lots, points, takenFor);
  const holdAfter = {
    points: hold.points + points,
    settled: hold.settled,
    service: hold.service,
    allocations: mergeAllocations([...hold.allocations, ...added]),
  };
  const change = {
    lots: moveAllocated(state.lots, added, freezePoints),
    holds: withHold(state, hold, { ...holdAfter, expireTime }),
    policies: count(state.policies, { ...ofHold, points }, { sequence, now }),
  };
  const { number: refersTo, member } = hold;
  const about = { refersTo, expireTime, usage, holdAfter, member };
  const entry: Draft = { kind: "extend", points, allocations: added, ...about };
  return append(booked, { change, entry, cause: command, now });
}

const NO_POINTS: Cost = { points: 0n, usage: null };

/** The hold's new time, which is never before its old one, or the refusal. */
function laterEnd(
  { expireTime: before, freezeTime }: Hold,
  expiration: Deadline | undefined,
  now: Micros,
): { readonly expireTime: Micros } | Rejection {
  if (expiration === undefined) return { expireTime: before };
  if (freezeTime === undefined) throw new Error("a hold without the time of its freeze");
  const end = holdEndOf(expiration, { from: freezeTime, now });
  if (isRejection(end)) return end;
  if (expiration.kind === "at" && end.expireTime < before) {
    const description = "must not be before the hold's own time";
    return { reason: "FIELD_INVALID", field: fieldOf(expiration), description };
  }
  return { expireTime: laterOf(before, end.expireTime) };
}
