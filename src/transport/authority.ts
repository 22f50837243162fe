import type { IncomingHttpHeaders } from "node:http2";
import { isIP } from "node:net";
import { Code, type ConnectError } from "@connectrpc/connect";
import { isLoopback } from "../config/address.ts";
import { apiError } from "../errors/api-error.ts";

/** Gives the error that refuses a request for its authority (Host) or Origin, or undefined. */
export type PageGuard = (headers: IncomingHttpHeaders) => ConnectError | undefined;

export type PageGuardOptions = {
  /** The address that the server listens on. */
  readonly host: string;
  readonly hasAuthentication: boolean;
  readonly hasTls: boolean;
};

/**
 * Cross-origin and DNS rebinding guard: refuses requests that a browser sends for a web page of
 * another origin. The header Origin names the page, and must be the request's own authority.
 *
 * Under DNS rebinding it is: the page's name leads to this machine. On loopback without
 * authentication a page needs nothing more. There the authority must be a name that nobody can
 * point elsewhere: a name of loopback, an address, or the path of a Unix socket (clients of gRPC
 * send one, browsers do not).
 */
export function pageGuard({ host, hasAuthentication, hasTls }: PageGuardOptions): PageGuard {
  const takesAnyName = hasAuthentication || !isLoopback(host);
  // Most requests name the same authority as the last one.
  let lastTaken: string | undefined;
  return (headers) => {
    const authority = headers[":authority"] ?? headers.host;
    const { origin } = headers;
    if (origin !== undefined && !isOwnOrigin(origin, authority, hasTls)) return foreignPage(origin);
    // Browsers always send an authority; old probes do not.
    if (takesAnyName || authority === undefined || authority === lastTaken) return undefined;
    if (!isSocketPath(authority) && !isFixedName(authority)) return strangeName(authority);
    lastTaken = authority;
    return undefined;
  };
}

/** The authority for a URL: localhost in place of a Unix socket's path. */
export function authorityInUrl(authority: string): string {
  return isSocketPath(authority) ? "localhost" : authority;
}

/** Percent-encoded, with a slash in it, perhaps without the first one: "run%2Fpoints.sock". */
function isSocketPath(authority: string): boolean {
  return /^(?=.*%2f)(?:[\w.~!$&'()*+,;=:-]|%[0-9a-f]{2})+$/i.test(authority);
}

/** Whether an authority is an address or a name of loopback, which no DNS can point elsewhere. */
function isFixedName(authority: string): boolean {
  const url = `http://${authority}`;
  if (!URL.canParse(url)) return false;
  const { hostname } = new URL(url);
  return /^(?:.+\.)?localhost\.?$/.test(hostname) || isIP(hostname.replace(/^\[|\]$/g, "")) !== 0;
}

/** Whether a page's origin is this server, under the name that the request calls it by. */
function isOwnOrigin(origin: string, authority: string | undefined, hasTls: boolean): boolean {
  if (authority === undefined || !/^https?:/i.test(origin) || !URL.canParse(origin)) return false;
  const { protocol, host } = new URL(origin);
  // A server without TLS accepts https: a proxy may have ended TLS.
  if (hasTls && protocol !== "https:") return false;
  const own = `${protocol}//${authority}`;
  return URL.canParse(own) && new URL(own).host === host;
}

const SHOWN_MAX_CHARS = 100;

function foreignPage(origin: string): ConnectError {
  const shown = origin.slice(0, SHOWN_MAX_CHARS);
  const message =
    `a web page of ${shown} may not call this server, which serves pages of its own origin alone; ` +
    "a proxy in between must pass on the Host that it was asked for";
  return denied(message, { origin: shown });
}

function strangeName(authority: string): ConnectError {
  const shown = authority.slice(0, SHOWN_MAX_CHARS);
  const message =
    `without authentication this server is called as localhost or by its address, and not as ${shown}, ` +
    "which a web page may have made lead here: have the client or the proxy say localhost, or set " +
    "CALLERS or JWT_KEYS";
  return denied(message, { authority: shown });
}

function denied(message: string, metadata: Record<string, string>): ConnectError {
  const code = Code.PermissionDenied;
  return apiError({ code, reason: "PERMISSION_DENIED", message, metadata });
}
