import type { IncomingHttpHeaders } from "node:http2";
import { isIP } from "node:net";
import { Code, type ConnectError } from "@connectrpc/connect";
import { isLoopback } from "../config/address.ts";
import { apiError } from "../errors/api-error.ts";

/** Why a request is refused for its authority (Host) or its Origin; undefined: it is not. */
export type PageGuard = (headers: IncomingHttpHeaders) => ConnectError | undefined;

export type PageGuardOptions = {
  /** Where the server listens. */
  readonly host: string;
  readonly hasAuthentication: boolean;
  readonly hasTls: boolean;
};

/**
 * Refuses what a browser sends for a web page of somebody else. Origin names the page, and must be
 * the request's own authority. Under DNS rebinding it is: the page's name then leads to this
 * machine. So where a page needs nothing but that, on loopback without authentication, the
 * authority must be one that nobody can point elsewhere: a name of loopback, an address, or the path
 * of a Unix socket, which clients of gRPC send and no browser.
 */
export function pageGuard({ host, hasAuthentication, hasTls }: PageGuardOptions): PageGuard {
  const takesAnyName = hasAuthentication || !isLoopback(host);
  // Asked of the same one again and again.
  let lastTaken: string | undefined;
  return (headers) => {
    const authority = headers[":authority"] ?? headers.host;
    const { origin } = headers;
    if (origin !== undefined && !isOwnOrigin(origin, authority, hasTls)) return foreignPage(origin);
    if (origin === undefined && isForeignPart(headers)) return foreignPage();
    // Browsers always name one, old probes do not.
    if (takesAnyName || authority === undefined || authority === lastTaken) return undefined;
    if (!isSocketPath(authority) && !isFixedName(authority)) return strangeName(authority);
    lastTaken = authority;
    return undefined;
  };
}

/** The authority as a URL can have it: in place of a Unix socket's path localhost. */
export function authorityInUrl(authority: string): string {
  return isSocketPath(authority) ? "localhost" : authority;
}

/** Percent-encoded, with a slash in it, and perhaps without the first, as "run%2Fpoints.sock". */
function isSocketPath(authority: string): boolean {
  return /^(?=.*%2f)(?:[\w.~!$&'()*+,;=:-]|%[0-9a-f]{2})+$/i.test(authority);
}

/** Whether no DNS says where it leads. */
function isFixedName(authority: string): boolean {
  const url = `http://${authority}`;
  if (!URL.canParse(url)) return false;
  const { hostname } = new URL(url);
  return /^(?:.+\.)?localhost\.?$/.test(hostname) || isIP(hostname.replace(/^\[|\]$/g, "")) !== 0;
}

/** Whether a page's origin is this server, under the name that it is called by. */
function isOwnOrigin(origin: string, authority: string | undefined, hasTls: boolean): boolean {
  if (authority === undefined || !/^https?:/i.test(origin) || !URL.canParse(origin)) return false;
  const { protocol, host } = new URL(origin);
  // Without TLS here, a proxy may have ended it.
  if (hasTls && protocol !== "https:") return false;
  const own = `${protocol}//${authority}`;
  return URL.canParse(own) && new URL(own).host === host;
}

/**
 * Whether a browser gets an image, a script or the like for a page of another origin: such a GET has
 * no Origin. A link that its user follows is served: its page does not see the answer.
 */
function isForeignPart(headers: IncomingHttpHeaders): boolean {
  const site = headers["sec-fetch-site"];
  const isForeign = site === "cross-site" || site === "same-site";
  return isForeign && headers["sec-fetch-mode"] !== "navigate";
}

const SHOWN_MAX_CHARS = 100;

function foreignPage(origin = "another origin"): ConnectError {
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
