import type { Deadline } from "./command.ts";
import { HOLD_MAX } from "./hold.ts";
import { isRejection, type Rejection } from "./rejection.ts";
import { LAST_INSTANT, type Micros } from "./time.ts";

/** The instant at which something expires. */
type End = { readonly expireTime: Micros };

/** When points or a hold expire, or the refusal of a time that is past or too late. */
export function expireTimeOf(deadline: Deadline, now: Micros): End | Rejection {
  switch (deadline.kind) {
    case "at":
      if (deadline.time > now) return { expireTime: deadline.time };
      return { reason: "FIELD_INVALID", field: "expire_time", description: "must be after now" };
    case "after":
      return endOf(deadline.ttl, "ttl", now);
  }
}

/**
 * When a hold ends: as `expireTimeOf`, and within HOLD_MAX of its FREEZE.
 *
 * @param from the time of its FREEZE
 */
export function holdEndOf(
  deadline: Deadline,
  { from, now }: { readonly from: Micros; readonly now: Micros },
): End | Rejection {
  const end = expireTimeOf(deadline, now);
  if (isRejection(end) || end.expireTime - from <= HOLD_MAX) return end;
  const description = "must end within 30 days of the hold's freeze";
  return { reason: "FIELD_INVALID", field: fieldOf(deadline), description };
}

/** The field of the request that a deadline is from. */
export function fieldOf({ kind }: Deadline): "expire_time" | "ttl" {
  return kind === "at" ? "expire_time" : "ttl";
}

/**
 * When a life that starts now ends, or the refusal of one that is too long.
 *
 * @param field the name of the request's field that has the ttl
 */
export function endOf(ttl: Micros, field: string, now: Micros): End | Rejection {
  if (now + ttl <= LAST_INSTANT) return { expireTime: now + ttl };
  return { reason: "FIELD_INVALID", field, description: "must end before the year 10000" };
}
