import { invalidField } from "../errors/api-error.ts";
import { NO_SERVICES } from "../ledger/lot.ts";
import type { Micros } from "../ledger/time.ts";
import { fromDuration } from "./timestamps.ts";

// Fields of requests whose limits the contract's annotations cannot say.

const SERVICES_MAX_BYTES = 256;

/**
 * The services of a lot.
 *
 * @throws FIELD_INVALID if the names are too long together
 */
export function toServices(services: readonly string[], field: string): readonly string[] {
  if (services.length === 0) return NO_SERVICES;
  const bytes = services.reduce((sum, service) => sum + service.length, 0);
  if (bytes <= SERVICES_MAX_BYTES) return services;
  throw invalidField(field, `must have ${SERVICES_MAX_BYTES} bytes at most in all`);
}

/**
 * A time to live.
 *
 * @throws FIELD_INVALID if it is no duration
 */
export function toTtl(duration: Parameters<typeof fromDuration>[0], field: string): Micros {
  const ttl = fromDuration(duration);
  if (ttl === undefined) throw invalidField(field, "must be a valid duration");
  return ttl;
}
