import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { SecureClientSessionOptions } from "node:http2";
import { type Api, apiOf } from "./api.ts";

/** The token of a caller in a test's file. */
export function tokenOf(name: string): string {
  return `the-token-of-${name}`;
}

/** The token's digest, as the callers' file has it. */
export function digestOf(name: string): string {
  return createHash("sha256").update(tokenOf(name)).digest("hex");
}

/** Callers: each has a token of its own by default, or a certificate, and may have a user prefix. */
export type Callers = Record<
  string,
  { scopes: string[]; prefix?: string; certificate?: string; token?: string; maxPoints?: number }
>;

/** Writes a callers' file, and gives the environment variable that names it. */
export async function writeCallers(folder: string, callers: Callers): Promise<{ CALLERS: string }> {
  const entries = Object.entries(callers).map(([name, caller]) => {
    const { scopes, prefix, certificate, token, maxPoints } = caller;
    const known =
      certificate === undefined
        ? `token_sha256: "${digestOf(token ?? name)}"`
        : `certificate: ${certificate}`;
    const only = prefix === undefined ? "" : `\n    user_id_prefix: "${prefix}"`;
    const most = maxPoints === undefined ? "" : `\n    max_points: ${maxPoints}`;
    return `  ${name}:\n    ${known}\n    scopes: [${scopes.join(", ")}]${only}${most}\n`;
  });
  const path = join(folder, "callers.yaml");
  await writeFile(path, `callers:\n${entries.join("")}`);
  return { CALLERS: path };
}

/** A client that sends a bearer token with each call; undefined: without one. */
export function clientWith(
  baseUrl: string,
  token: string | undefined,
  nodeOptions: SecureClientSessionOptions = {},
): Api {
  const transport = createGrpcTransport({
    baseUrl,
    nodeOptions,
    interceptors: [
      (next) => (request) => {
        if (token !== undefined) request.header.set("authorization", `Bearer ${token}`);
        return next(request);
      },
    ],
  });
  return apiOf(transport);
}
