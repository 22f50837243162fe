import type { IncomingHttpHeaders } from "node:http";

/** The deadline of a call that names none, and the longest that a call may have. */
export type DeadlineLimits = { readonly defaultMs: number; readonly maxMs: number };

/**
 * Bounds a call's deadline in its headers, before Connect reads them. A timer of 2^31 ms or more
 * would fire at once, so that a patient caller would be refused. What is malformed stays: Connect
 * refuses it.
 *
 * @param streams whether the call may last: then only a deadline that it names is bounded
 */
export function boundDeadline(
  headers: IncomingHttpHeaders,
  streams: boolean,
  { defaultMs, maxMs }: DeadlineLimits,
): void {
  const longestMs = streams ? MAX_TIMER_MS : maxMs;
  // In any case, as Connect reads it.
  const isGrpc = /^application\/grpc/i.test(headers["content-type"] ?? "");
  const name = isGrpc ? "grpc-timeout" : "connect-timeout-ms";
  const named = headers[name];
  if (named === undefined) {
    const usualMs = Math.min(defaultMs, maxMs);
    if (!streams) headers[name] = isGrpc ? grpcTimeout(usualMs) : String(usualMs);
    return;
  }
  const ms = isGrpc ? grpcTimeoutMs(named) : connectTimeoutMs(named);
  if (typeof named === "string" && ms > longestMs) {
    headers[name] = isGrpc ? grpcTimeout(longestMs) : String(longestMs);
  }
}

/**
 * The deadline of a unary gRPC call, bounded, in milliseconds from now; undefined if it is malformed.
 *
 * @param named the header grpc-timeout
 */
export function unaryTimeoutMs(
  named: string | string[] | undefined,
  { defaultMs, maxMs }: DeadlineLimits,
): number | undefined {
  if (named === undefined) return Math.min(defaultMs, maxMs);
  const ms = grpcTimeoutMs(named);
  return Number.isNaN(ms) ? undefined : Math.min(ms, maxMs);
}

const MAX_TIMER_MS = 2 ** 31 - 1;

const UNIT_MS: Record<string, number> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** gRPC takes eight digits: milliseconds while they fit, and a short one must not become 0 s. */
function grpcTimeout(ms: number): string {
  return ms < 1e8 ? `${ms}m` : `${Math.floor(ms / 1000)}S`;
}

function connectTimeoutMs(text: string | string[]): number {
  return /^\d{1,10}$/.test(String(text)) ? Number(text) : Number.NaN;
}

function grpcTimeoutMs(text: string | string[]): number {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(String(text)) ?? [];
  return Number(digits) * (UNIT_MS[unit ?? ""] ?? Number.NaN);
}
