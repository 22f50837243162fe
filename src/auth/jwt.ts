import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import { readText } from "../handed-on.ts";
import { rereadOnChange } from "../reread.ts";
import { UsageError } from "../usage.ts";
import { type Caller, isCallerName, isUserIdPrefix, SCOPES, type Scope } from "./caller.ts";

/** Who a JWT says calls, and until when it says so, in milliseconds since 1970. */
export type JwtCaller = { readonly caller: Caller; readonly untilMs: number };

/** Verifies JWTs. */
export type Jwts = {
  /**
   * The caller that `sub` names, with the scopes in `scope` (a text, with spaces between them) that
   * are ours, and `user_id_prefix` if it has one.
   *
   * @throws {TokenInvalid}
   * @throws {KeysUnavailable}
   */
  verify(token: string): Promise<JwtCaller>;
  close(): void;
};

/** A token that names nobody; the message may be shown to who sent it. */
export class TokenInvalid extends Error {}

/** The keys could not be fetched. */
export class KeysUnavailable extends Error {}

const CLOCKS_DIFFER_SECONDS = 5;

/**
 * Reads the keys: a file at once and again when it changes, a URL when the first token comes, and
 * again every ten minutes, or when a token names a key that is not among them.
 *
 * @param onNewKeys what was verified with the old ones is to be forgotten
 * @returns undefined if the configuration names no keys
 * @throws {UsageError} if the file is none of keys
 */
export function openJwts(config: Config, log: Logger, onNewKeys: () => void): Jwts | undefined {
  const { jwtKeys: place, jwtIssuer: issuer, jwtAudience: audience } = config;
  if (place === undefined || issuer === undefined || audience === undefined) return undefined;
  const isUrl = /^https?:\/\//i.test(place);
  let keys: JWTVerifyGetKey = isUrl ? createRemoteJWKSet(new URL(place)) : readKeys(place);
  const read = () => {
    keys = readKeys(place);
    onNewKeys();
  };
  const close = isUrl ? () => {} : rereadOnChange([place], read, log, "keys of JWTs");

  const keyOf: JWTVerifyGetKey = async (header, token) => {
    try {
      return await keys(header, token);
    } catch (cause) {
      if (cause instanceof errors.JWKSNoMatchingKey) throw cause;
      if (cause instanceof errors.JWKSMultipleMatchingKeys) throw cause;
      throw new KeysUnavailable("a key of JWTs cannot be had", { cause });
    }
  };
  const options = {
    algorithms: ["ES256", "EdDSA"],
    issuer,
    audience,
    requiredClaims: ["exp", "sub"],
    clockTolerance: CLOCKS_DIFFER_SECONDS,
  };
  const verify = async (token: string) => {
    const { payload } = await jwtVerify(token, keyOf, options).catch(refuse);
    return toCaller(payload);
  };
  return { verify, close };
}

/**
 * Reads a file of keys.
 *
 * @throws {UsageError}
 */
export function readKeys(path: string): JWTVerifyGetKey {
  try {
    return createLocalJWKSet(JSON.parse(readText(path)) as JSONWebKeySet);
  } catch (cause) {
    throw new UsageError(`JWT_KEYS: ${path} is no file of keys (a JWKS)`, { cause });
  }
}

function refuse(cause: unknown): never {
  if (cause instanceof errors.JWTExpired)
    throw new TokenInvalid("the token has expired", { cause });
  if (!(cause instanceof errors.JOSEError)) throw cause;
  throw new TokenInvalid("the token is not valid", { cause });
}

function toCaller({ sub, exp, scope, user_id_prefix: prefix = "" }: JWTPayload): JwtCaller {
  if (typeof sub !== "string" || !isCallerName(sub))
    throw new TokenInvalid("the token names no caller");
  if (typeof prefix !== "string" || !isUserIdPrefix(prefix)) {
    throw new TokenInvalid("the token's user_id_prefix is none");
  }
  const granted = typeof scope === "string" ? scope.split(" ") : [];
  const scopes = SCOPES.filter((one: Scope) => granted.includes(one));
  return { caller: { name: sub, scopes, userIdPrefix: prefix }, untilMs: (exp ?? 0) * 1_000 };
}
