import {
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTHeaderParameters,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose";
import type { Logger } from "pino";
import { parse } from "yaml";
import type { Config } from "../config/environment.ts";
import { readText, reloadOnChange } from "../config/reload.ts";
import { UserError } from "../errors/user-error.ts";
import {
  type Caller,
  isCallerName,
  isUserIdPrefix,
  maxPointsOf,
  SCOPES,
  type Scope,
} from "./caller.ts";
import { isOfToken, type Keys, keysAtUrl } from "./keys-at-url.ts";

/** The caller that a JWT names, and when to verify it again, in milliseconds since 1970. */
export type JwtCaller = { readonly caller: Caller; readonly untilMs: number };

/** Verifies JWTs. */
export type Jwts = {
  /**
   * Verifies a JWT. The claim `sub` is the caller's name, `scope` or `scp` lists scopes, separated by
   * spaces or as an array (others than ours are ignored), `user_id_prefix` and `max_points` are
   * optional.
   *
   * @throws {TokenInvalid}
   * @throws {KeysUnavailable}
   */
  verify(token: string): Promise<JwtCaller>;
  close(): void;
};

/** A token that is not accepted. The message may be shown to its sender. */
export class TokenInvalid extends Error {}

/** The keys could not be fetched. */
export class KeysUnavailable extends Error {}

const CLOCKS_DIFFER_SECONDS = 5;

/**
 * Opens the keys of JWTs. A file is read at once, and again when it changes (hot reload); a URL is
 * fetched when a key is needed.
 *
 * @param onNewKeys must forget all that was verified with the old keys
 * @returns undefined if the configuration names no keys
 * @throws {UserError} if the file is not a JWKS
 */
export function openJwts(config: Config, log: Logger, onNewKeys: () => void): Jwts | undefined {
  const { jwtKeys: place, jwtIssuer: issuer, jwtAudience: audience } = config;
  if (place === undefined || issuer === undefined || audience === undefined) return undefined;
  const isUrl = isKeysUrl(place);
  let keys = isUrl ? keysAtUrl(place, log) : readKeys(place);
  const read = () => {
    keys = readKeys(place);
    onNewKeys();
  };
  const close = isUrl
    ? () => {}
    : reloadOnChange({ files: [place], read, log, what: "keys of JWTs" });

  const keyOf: JWTVerifyGetKey = async (header, token) => {
    try {
      return await keys.keyOf(header, token);
    } catch (cause) {
      if (isOfToken(cause)) throw cause;
      throw new KeysUnavailable("a key of JWTs cannot be had", { cause });
    }
  };
  const options = {
    // Auth0, Okta and Entra sign by RS256 alone.
    algorithms: ["ES256", "EdDSA", "RS256"],
    issuer,
    audience,
    requiredClaims: ["exp", "sub"],
    clockTolerance: CLOCKS_DIFFER_SECONDS,
  };
  const verify = async (token: string) => {
    const { payload, protectedHeader } = await jwtVerify(token, keyOf, options).catch(refuse);
    expectAccessToken(payload, protectedHeader);
    expectOnce(token);
    const { caller, untilMs } = toCaller(payload);
    return { caller, untilMs: Math.min(untilMs, keys.untilMs()) };
  };
  return { verify, close };
}

/** Whether the keys are at a URL rather than in a file. */
export function isKeysUrl(place: string): boolean {
  return /^https?:\/\//i.test(place);
}

/**
 * Reads a file of keys. They do not age: a change of the file replaces them.
 *
 * @throws {UserError}
 */
export function readKeys(path: string): Keys {
  try {
    const keyOf = createLocalJWKSet(JSON.parse(readText(path)) as JSONWebKeySet);
    return { keyOf, untilMs: () => Number.POSITIVE_INFINITY };
  } catch (cause) {
    throw new UserError(`JWT_KEYS: ${path} is no file of keys (a JWKS)`, { cause });
  }
}

function refuse(cause: unknown): never {
  if (cause instanceof errors.JWTExpired)
    throw new TokenInvalid("the token has expired", { cause });
  if (!(cause instanceof errors.JOSEError)) throw cause;
  throw new TokenInvalid("the token is not valid", { cause });
}

/**
 * Accepts access tokens, and no ID tokens: an ID token tells an application who signed in. It has
 * the same issuer and may have the same audience. (RFC 9068; OpenID Connect Core, section 2.)
 */
function expectAccessToken(payload: JWTPayload, { typ = "JWT" }: JWTHeaderParameters): void {
  const isOther = !/^(application\/)?(at\+)?jwt$/i.test(typ);
  const isIdToken = ["nonce", "at_hash", "c_hash", "s_hash"].some((claim) => claim in payload);
  if (isOther || isIdToken || payload["token_use"] === "id" || payload["typ"] === "ID") {
    throw new TokenInvalid("the token is no access token");
  }
}

/** Refuses doubled claims: JSON.parse keeps the last one, other parsers keep the first. */
function expectOnce(token: string): void {
  const payload = Buffer.from(token.split(".")[1]!, "base64url").toString();
  try {
    // JSON is a subset of YAML, and a YAML parser checks that keys are unique.
    parse(payload, { uniqueKeys: true });
  } catch (cause) {
    throw new TokenInvalid("the token has a claim twice", { cause });
  }
}

function toCaller(payload: JWTPayload): JwtCaller {
  const { sub, exp, user_id_prefix: prefix = "", max_points: limit } = payload;

  if (typeof sub !== "string" || !isCallerName(sub))
    throw new TokenInvalid("the token names no caller");
  if (typeof prefix !== "string" || !isUserIdPrefix(prefix)) {
    throw new TokenInvalid("the token's user_id_prefix is none");
  }
  const maxPoints = maxPointsOf(limit);
  if (limit !== undefined && maxPoints === undefined) {
    throw new TokenInvalid("the token's max_points is none");
  }
  const granted = grantedBy(payload);
  const scopes = SCOPES.filter((one: Scope) => granted.includes(one));
  const untilMs = ((exp ?? 0) + CLOCKS_DIFFER_SECONDS) * 1_000;
  return { caller: { name: sub, scopes, userIdPrefix: prefix, maxPoints }, untilMs };
}

/** `scope` is the standard's (RFC 9068); Okta and Entra call it `scp`, Okta with an array. */
function grantedBy({ scope, scp }: JWTPayload): readonly unknown[] {
  const granted = scope ?? scp;
  if (Array.isArray(granted)) return granted;
  return typeof granted === "string" ? granted.split(" ") : [];
}
