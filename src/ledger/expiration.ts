import type { Deadline } from "./command.ts";
import type { Rejection } from "./rejection.ts";
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
 * When a life that starts now ends, or the refusal of one that is too long.
 *
 * @param field the name of the request's field that has the ttl
 */
export function endOf(ttl: Micros, field: string, now: Micros): End | Rejection {
  if (now + ttl <= LAST_INSTANT) return { expireTime: now + ttl };
  return { reason: "FIELD_INVALID", field, description: "must end before the year 10000" };
}
