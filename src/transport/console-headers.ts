import type { Config } from "../config/environment.ts";

/**
 * The headers of all that is served below /console/: no script, style or frame but the console's own,
 * and no page that frames it. The page talks to this server, and to the issuer of tokens if people sign
 * in there.
 */
export function consoleHeaders({ consoleClientId, jwtIssuer }: Config): Record<string, string> {
  const issuer = consoleClientId === undefined ? "" : ` ${new URL(jwtIssuer!).origin}`;
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src 'self'${issuer}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    // A text becomes a document, a script or a link to one nowhere, whatever a library may try.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  return {
    "content-security-policy": policy.join("; "),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    // Addresses have users' ids.
    "referrer-policy": "no-referrer",
    // Whoever opens the console, or is opened by it, gets no hold of its window.
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  };
}
