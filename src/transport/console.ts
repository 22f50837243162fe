import { fileURLToPath } from "node:url";
import type { Config } from "../config/environment.ts";
import { chooseEncoding } from "./accept-encoding.ts";
import { consoleHeaders } from "./console-headers.ts";
import type { Handler } from "./handler.ts";
import { readStaticFiles, type StaticFile } from "./static-files.ts";

/** Where `npm ci` builds the console. */
export const CONSOLE_FOLDER = fileURLToPath(new URL("../../console/dist", import.meta.url));

/**
 * Serves the console at /console/, and leaves everything else to `next`. The console has no rights of
 * its own: its page calls the RPCs as whoever signed in. Its files are read at the first request, so
 * that a server without visitors starts no later and has them not in memory.
 */
export function withConsole(config: Config, next: Handler, folder = CONSOLE_FOLDER): Handler {
  if (!config.console) return next;
  const secure = consoleHeaders(config);
  const settings = Buffer.from(JSON.stringify(pageSettings(config)));
  let files: Promise<ReadonlyMap<string, StaticFile>> | undefined;
  return (request, response) => {
    const [, path = "", query = ""] = /^([^?#]*)(\?[^#]*)?/.exec(request.url ?? "") ?? [];
    if (path !== "/console" && !path.startsWith("/console/")) return next(request, response);
    const send: Send = (status, headers, body = EMPTY) => {
      // The client may have gone while the files were read.
      if (response.destroyed || response.writableEnded) return;
      response.statusCode = status;
      // Of an unchanged file, the length would be that of the file.
      const length = status === 304 ? {} : { "content-length": String(body.length) };
      for (const [name, value] of Object.entries({ ...secure, ...length, ...headers })) {
        response.setHeader(name, value);
      }
      response.end(request.method === "HEAD" ? EMPTY : body);
    };
    // Nobody reads a body. HTTP/2 closes the stream, and HTTP/1 the connection.
    if (mayHaveBody(request.headers) && "shouldKeepAlive" in response) {
      response.shouldKeepAlive = false;
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return send(405, { allow: "GET, HEAD" });
    }
    // The page's links are relative to the folder.
    if (path === "/console") return send(308, { location: `/console/${query}` });
    const name = path.slice("/console/".length);
    if (name === "config.json") {
      return send(200, { "content-type": "application/json", ...NOT_KEPT }, settings);
    }
    files ??= readStaticFiles(folder);
    files.then(
      (read) => sendFile(read, name, request.headers, send),
      () => {
        // The next request tries again.
        files = undefined;
        send(404, { "content-type": "text/plain; charset=utf-8", ...NOT_KEPT }, NOT_BUILT);
      },
    );
  };
}

type Send = (status: number, headers: Record<string, string>, body?: Uint8Array) => void;
type Headers = Parameters<Handler>[0]["headers"];

const EMPTY = new Uint8Array();
const NOT_KEPT = { "cache-control": "no-store" };
const ASKED_AGAIN = { "cache-control": "no-cache" };
const KEPT = { "cache-control": "public, max-age=31536000, immutable" };
const NOT_BUILT = Buffer.from(
  'The console is not built: "npm ci && npm run console", with all packages, builds it.\n',
);

function mayHaveBody(headers: Headers): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/**
 * Answers by names as they are, never decoded: no path leads anywhere but to a file that was read.
 * A file that is missing may be one of another version, during an upgrade: nobody may keep that.
 */
function sendFile(
  files: ReadonlyMap<string, StaticFile>,
  name: string,
  headers: Headers,
  send: Send,
): void {
  const file = files.get(name) ?? files.get(`${name}.html`) ?? screenOf(files, name);
  if (file === undefined) return send(404, NOT_KEPT);
  const { encoding, body } = chooseEncoding(headers["accept-encoding"] ?? "", file);
  const etag = `"${file.digest}${encoding === undefined ? "" : `-${encoding}`}"`;
  const kept = file.isImmutable ? KEPT : ASKED_AGAIN;
  const common = { etag, vary: "accept-encoding", ...kept };
  if (isAmong(headers["if-none-match"], etag)) return send(304, common);
  const encoded = encoding && { "content-encoding": encoding };
  send(200, { "content-type": file.type, ...common, ...encoded }, body);
}

/** Every screen is the same page, which reads its address itself. */
function screenOf(files: ReadonlyMap<string, StaticFile>, name: string): StaticFile | undefined {
  return /^assets\/|\./.test(name) ? undefined : files.get("index.html");
}

/** Whether If-None-Match names a tag, or all of them. */
function isAmong(tags: string | undefined, etag: string): boolean {
  const named = tags?.split(",").map((one) => one.trim().replace(/^W\//, "")) ?? [];
  return named.includes(etag) || named.includes("*");
}

/** What the page has to know before somebody has signed in. */
function pageSettings({ consoleLabel: label, consoleClientId, ...config }: Config) {
  const { jwtIssuer: issuer, jwtAudience: audience, consoleScopes: scopes } = config;
  const oidc = consoleClientId && { issuer, audience, scopes, clientId: consoleClientId };
  return { label, oidc };
}
