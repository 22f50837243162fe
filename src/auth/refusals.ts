import { Code, type ConnectError } from "@connectrpc/connect";
import { apiError } from "../errors/api-error.ts";
import type { Caller, Scope } from "./caller.ts";

const RETRY_MS = 1_000;

/** The caller has no valid credentials. */
export function unauthenticated(message: string): ConnectError {
  return apiError({ code: Code.Unauthenticated, reason: "UNAUTHENTICATED", message });
}

/** The keys could not be fetched, so it is unknown whether the token is valid. */
export function keysUnavailable(cause: unknown): ConnectError {
  const message = "the keys that tokens are checked with cannot be fetched";
  const content = { code: Code.Unavailable, reason: "KEYS_UNAVAILABLE", message } as const;
  return apiError({ ...content, retryMs: RETRY_MS }, cause);
}

/** The caller's token bucket is empty. */
export function rateLimited(retryMs: number): ConnectError {
  const message = "the caller has had as many operations a second as one may have";
  return apiError({ code: Code.ResourceExhausted, reason: "RATE_LIMITED", message, retryMs });
}

/** The caller has none of the scopes that the method accepts. */
export function methodDenied({ name }: Caller, needed: readonly Scope[]): ConnectError {
  const scope = needed.join(" ");
  const lacks = scope === "" ? "nobody may call this" : `this takes ${needed.join(" or ")}`;
  return denied(`${lacks}, and ${name} has it not`, { scope });
}

/** The user is not among those that the caller may touch. */
export function userDenied({ name, userIdPrefix }: Caller): ConnectError {
  const message = `${name} may touch only users whose ids begin with ${userIdPrefix}`;
  return denied(message, { user_id_prefix: userIdPrefix });
}

function denied(message: string, metadata: Record<string, string>): ConnectError {
  const code = Code.PermissionDenied;
  return apiError({ code, reason: "PERMISSION_DENIED", message, metadata });
}
