import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  CompactSign,
  exportJWK,
  generateKeyPair,
  type GenerateKeyPairResult,
  type JWK,
  type JWTPayload,
  SignJWT,
} from "jose";
import { onTestFinished } from "vitest";

export const ISSUER = "https://id.example";
export const AUDIENCE = "points";

/** The environment of a server that accepts this issuer's tokens, without JWT_KEYS. */
export const JWT = { JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE };

/** A key that signs tokens. */
export type Key = GenerateKeyPairResult & { readonly alg: string; readonly kid: string };

export async function makeKey(alg: string, kid: string): Promise<Key> {
  return { ...(await generateKeyPair(alg, { extractable: true })), alg, kid };
}

export async function jwkOf({ publicKey, kid }: Key): Promise<JWK> {
  return { ...(await exportJWK(publicKey)), kid };
}

/** The keys as a JWK set, as JWT_KEYS has them. */
export async function jwks(...keys: Key[]): Promise<string> {
  return JSON.stringify({ keys: await Promise.all(keys.map(jwkOf)) });
}

/** Differences from the usual token. */
export type TokenChange = {
  /** Seconds from now. */
  readonly expires?: number;
  readonly claims?: { readonly [Name in keyof JWTPayload]?: JWTPayload[Name] | undefined };
  readonly header?: Record<string, unknown>;
};

/** A token of billing, with the scopes to spend and read, valid for a minute, with changes. */
export function signedToken(
  key: Key,
  { expires = 60, claims = {}, header = {} }: TokenChange = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const usual = { sub: "billing", iss: ISSUER, aud: AUDIENCE, scope: "points.spend points.read" };
  const payload = { ...usual, iat: now, exp: now + expires, ...claims } as JWTPayload;
  return new SignJWT(payload)
    .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
    .sign(key.privateKey);
}

/** A token whose payload contains its subject twice. */
export async function tokenWithClaimTwice({ privateKey, alg, kid }: Key): Promise<string> {
  const exp = Math.floor(Date.now() / 1000) + 60;
  const claims = `"iss":"${ISSUER}","aud":"${AUDIENCE}","exp":${exp},"scope":"points.read"`;
  const payload = Buffer.from(`{"sub":"billing",${claims},"sub":"root"}`);
  return new CompactSign(payload).setProtectedHeader({ alg, kid }).sign(privateKey);
}

/** A JWKS endpoint until the end of the test. */
export type Issuer = { readonly url: string; readonly server: Server; keys: string; asked: number };

/** Starts an endpoint that publishes these keys; with `keys` emptied it answers 503. */
export async function startIssuer(...keys: Key[]): Promise<Issuer> {
  const server = createServer((_, answer) => {
    found.asked += 1;
    answer.writeHead(found.keys === "" ? 503 : 200).end(found.keys);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  const found: Issuer = { url, server, keys: await jwks(...keys), asked: 0 };
  return found;
}
