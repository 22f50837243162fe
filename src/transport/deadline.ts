import type { IncomingHttpHeaders } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";

/** The deadline of a call that names none, and the longest deadline of a call. */
export type DeadlineLimits = { readonly defaultMs: number; readonly maxMs: number };

/**
 * Bounds a call's deadline in its headers, before Connect reads them. A timer of 2^31 ms or more
 * would fire at once, and refuse a patient caller. A malformed deadline stays: Connect refuses it.
 *
 * @param streams whether the call may last: then only a deadline that it names is bounded
 */
export function boundDeadline(
  headers: IncomingHttpHeaders,
  streams: boolean,
  { defaultMs, maxMs }: DeadlineLimits,
): void {
  const longestMs = streams ? MAX_TIMER_MS : maxMs;
  // Connect reads the content type in any case of letters too.
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
 * The bounded deadline of a unary gRPC call, in milliseconds from now.
 *
 * @param named the header grpc-timeout
 * @returns undefined if it is malformed
 */
export function unaryTimeoutMs(
  named: string | string[] | undefined,
  { defaultMs, maxMs }: DeadlineLimits,
): number | undefined {
  if (named === undefined) return Math.min(defaultMs, maxMs);
  const ms = grpcTimeoutMs(named);
  return Number.isNaN(ms) ? undefined : Math.min(ms, maxMs);
}

/** The error of a call whose deadline has passed, in Connect's words. */
export function timedOut(): ConnectError {
  return new ConnectError("the operation timed out", Code.DeadlineExceeded);
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

/** gRPC takes eight digits: milliseconds while they fit, so that a short time does not become 0 s. */
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
