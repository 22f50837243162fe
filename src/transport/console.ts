import { fileURLToPath } from "node:url";
import type { Config } from "../config/environment.ts";
import type { Handler } from "./handler.ts";
import { ENCODINGS, readStaticFiles, type StaticFile } from "./static-files.ts";

/** Where `npm ci` builds the console. */
export const CONSOLE_FOLDER = fileURLToPath(new URL("../../console/dist", import.meta.url));

/**
 * Serves the console at /console/, and leaves everything else to `next`. The console has no rights of
 * its own: its page calls the RPCs as whoever signed in. Its files are read at the first request.
 */
export function withConsole(config: Config, next: Handler, folder = CONSOLE_FOLDER): Handler {
  if (!config.console) return next;
  const headers = securityHeaders(config);
  const settings = Buffer.from(JSON.stringify(pageSettings(config)));
  let files: Promise<ReadonlyMap<string, StaticFile>> | undefined;
  return (request, response) => {
    const path = request.url?.split(/[?#]/, 1)[0] ?? "";
    if (path !== "/console" && !path.startsWith("/console/")) return next(request, response);
    const send = (status: number, more: Record<string, string>, body: Uint8Array = EMPTY) => {
      response.statusCode = status;
      for (const [name, value] of Object.entries({ ...headers, ...more })) {
        response.setHeader(name, value);
      }
      response.end(request.method === "HEAD" ? EMPTY : body);
    };
    if (request.method !== "GET" && request.method !== "HEAD") {
      return send(405, { allow: "GET, HEAD" });
    }
    // The page's links are relative to the folder.
    if (path === "/console") return send(308, { location: "/console/" });
    const name = path.slice("/console/".length);
    if (name === "config.json") {
      return send(200, { "content-type": "application/json", ...NOT_KEPT }, settings);
    }
    files ??= readStaticFiles(folder);
    files.then(
      (read) => sendFile(read, name, request.headers["accept-encoding"], send),
      () => {
        // The next request tries again.
        files = undefined;
        send(404, { "content-type": "text/plain; charset=utf-8" }, NOT_BUILT);
      },
    );
  };
}

const EMPTY = new Uint8Array();
const NOT_KEPT = { "cache-control": "no-cache" };
const KEPT = { "cache-control": "public, max-age=31536000, immutable" };
const NOT_BUILT = Buffer.from(
  'The console is not built: "npm ci" or "npm run console" builds it.\n',
);

/** A page of the console has whatever path: the script reads it. */
function sendFile(
  files: ReadonlyMap<string, StaticFile>,
  name: string,
  accepted: string | string[] | undefined,
  send: (status: number, headers: Record<string, string>, body?: Uint8Array) => void,
) {
  const file = files.get(name) ?? (name.includes(".") ? undefined : files.get("index.html"));
  if (file === undefined) return send(404, {});
  const { type, isImmutable, body, compressed } = file;
  const offered = String(accepted ?? "").split(/\s*[,;]\s*/);
  const encoding = ENCODINGS.find((one) => offered.includes(one) && compressed[one] !== undefined);
  const encoded = encoding && { "content-encoding": encoding };
  const sent = encoding === undefined ? body : compressed[encoding]!;
  const kept = isImmutable ? KEPT : NOT_KEPT;
  const length = String(sent.length);
  const vary = "accept-encoding";
  send(200, { "content-type": type, "content-length": length, vary, ...kept, ...encoded }, sent);
}

/** What the page has to know before somebody has signed in. */
function pageSettings({ consoleLabel, consoleClientId, ...config }: Config) {
  const label = consoleLabel && { label: consoleLabel };
  const oidc = consoleClientId && {
    oidc: { issuer: config.jwtIssuer, clientId: consoleClientId, audience: config.jwtAudience },
  };
  return { ...label, ...oidc };
}

/**
 * No script, style or frame but the console's own; the page talks to this server, and to the issuer of
 * tokens if there is one.
 */
function securityHeaders({ consoleClientId, jwtIssuer }: Config): Record<string, string> {
  const issuer = consoleClientId === undefined ? "" : ` ${new URL(jwtIssuer!).origin}`;
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src 'self'${issuer}`,
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ];
  return {
    "content-security-policy": policy.join("; "),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    // Paths have users' ids.
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
  };
}
