import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { SignJWT } from "jose";
import { onTestFinished } from "vitest";
import { AUDIENCE, type Key, jwks, makeKey } from "./jwts.ts";

/** An issuer of tokens that people sign in at (OpenID Connect), until the end of the test. */
export type OpenIdIssuer = {
  /** The environment of a server that trusts it, and whose console signs in there. */
  readonly environment: Record<string, string>;
  readonly url: string;
  /** How long its access tokens live. The server takes them five seconds longer, as clocks differ. */
  expiresSeconds: number;
  /** How often it was asked for tokens, by grant. */
  readonly grants: Record<string, number>;
  /** What its discovery says beside the usual, such as another token endpoint. */
  discovery: Record<string, string>;
  /** Why it gives no tokens, by grant. */
  failing: Record<string, string>;
};

/** Whoever presses the button on its page has signed in: as Li, who may read, refund and recharge. */
export async function startOpenIdIssuer(): Promise<OpenIdIssuer> {
  const key = await makeKey("ES256", "k1");
  const server = createServer((request, response) => void answer(request, response)).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/realms/a`;
  const issuer: OpenIdIssuer = {
    environment: {
      JWT_KEYS: `${url}/keys`,
      JWT_ISSUER: url,
      JWT_AUDIENCE: AUDIENCE,
      CONSOLE_CLIENT_ID: CLIENT,
    },
    url,
    expiresSeconds: 300,
    grants: {},
    discovery: {},
    failing: {},
  };
  const challenges = new Map<string, string>();
  const json = (response: ServerResponse, body: unknown, status = 200) => {
    response.writeHead(status, { "content-type": "application/json", ...CORS });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
  const endpoints: Record<string, (request: IncomingMessage, response: ServerResponse) => unknown> =
    {
      "/.well-known/openid-configuration": (_, response) =>
        json(response, {
          issuer: url,
          authorization_endpoint: `${url}/authorize`,
          token_endpoint: `${url}/token`,
          id_token_signing_alg_values_supported: ["ES256"],
          ...issuer.discovery,
        }),
      "/keys": async (_, response) => json(response, await jwks(key)),
      "/authorize": (request, response) => {
        const { searchParams: query } = new URL(request.url!, url);
        const code = randomUUID();
        challenges.set(code, query.get("code_challenge")!);
        const state = query.get("state")!;
        const link = (back: Record<string, string>, name: string) =>
          `<a href="${query.get("redirect_uri")}?${String(new URLSearchParams({ state, ...back }))}">${name}</a>`;
        const denial = { error: "access_denied", error_description: "Li may not" };
        response.writeHead(200, { "content-type": "text/html" });
        response.end(`${link({ code }, "I am Li")} ${link(denial, "I am not")}
          <p></p><script>document.querySelector("p").textContent = "opener: " + opener</script>`);
      },
      "/token": async (request, response) => {
        if (request.method === "OPTIONS") return response.writeHead(204, CORS).end();
        const form = new URLSearchParams(await text(request));
        const grant = form.get("grant_type")!;
        issuer.grants[grant] = (issuer.grants[grant] ?? 0) + 1;
        const error_description = issuer.failing[grant];
        if (error_description !== undefined) {
          return json(response, { error: "invalid_grant", error_description }, 400);
        }
        const isGood =
          grant === "refresh_token" ? form.get("refresh_token") === REFRESH : isProved(form);
        if (!isGood) return json(response, { error: "invalid_grant" }, 400);
        return json(response, await tokens(issuer, key));
      },
    };
  /** By PKCE: who asks has the verifier of the code's challenge. Each code is good once. */
  const isProved = (form: URLSearchParams) => {
    const code = form.get("code") ?? "";
    const challenge = challenges.get(code);
    challenges.delete(code);
    const verifier = form.get("code_verifier") ?? "";
    return challenge === createHash("sha256").update(verifier).digest("base64url");
  };
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url!.split("?", 1)[0]!.slice("/realms/a".length);
    await (endpoints[path] ?? (() => response.writeHead(404).end()))(request, response);
  };
  return issuer;
}

const CLIENT = "points-console";
const REFRESH = "the-refresh-token";
const CORS = { "access-control-allow-origin": "*", "access-control-allow-headers": "*" };

async function tokens({ url, expiresSeconds }: OpenIdIssuer, { privateKey, alg, kid }: Key) {
  const now = Math.floor(Date.now() / 1000);
  const sign = (claims: Record<string, unknown>) =>
    new SignJWT({ iss: url, sub: "support-li", iat: now, exp: now + expiresSeconds, ...claims })
      .setProtectedHeader({ alg, kid })
      .sign(privateKey);
  return {
    access_token: await sign({
      aud: AUDIENCE,
      scope: "openid points.read points.refund points.grant",
      jti: randomUUID(),
    }),
    id_token: await sign({ aud: CLIENT, email: "li@example.com", name: "Li" }),
    refresh_token: REFRESH,
    token_type: "Bearer",
    expires_in: Math.max(0, expiresSeconds),
  };
}
