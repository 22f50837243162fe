import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  jwksCache,
  type JWKSCacheInput,
  type JWTVerifyGetKey,
} from "jose";
import type { Logger } from "pino";

/** The keys that JWTs are verified with. */
export type Keys = {
  readonly keyOf: JWTVerifyGetKey;
  /** Until when a JWT that is verified now stays verified, in milliseconds since 1970. */
  untilMs(): number;
};

// A key that is withdrawn at the URL is rejected within a minute. If the URL does not answer, the
// keys stay in use for ten minutes in all: the issuer may be down for as long.
const FRESH_MS = 60_000;
const KEPT_MS = 600_000;
const PAUSE_MS = 30_000;

/**
 * A cache of the keys (JWKS) at a URL. It fetches them when the first token comes, and again when
 * they are a minute old or a token names an unknown key.
 */
export function keysAtUrl(url: string, log: Logger): Keys {
  const cache: JWKSCacheInput = {};
  const fetched = createRemoteJWKSet(new URL(url), { cacheMaxAge: FRESH_MS, [jwksCache]: cache });
  let nextTryMs = 0;

  const keyOf: JWTVerifyGetKey = async (header, token) => {
    if (Date.now() >= nextTryMs) {
      try {
        return await fetched(header, token);
      } catch (err) {
        const { jwks, uat = 0 } = cache;
        if (isOfToken(err) || jwks === undefined || uat + KEPT_MS <= Date.now()) throw err;
        log.warn({ err }, "the keys of JWTs cannot be fetched, the old ones stay in force");
        nextTryMs = Date.now() + PAUSE_MS;
      }
    }
    return createLocalJWKSet(cache.jwks!)(header, token);
  };
  return { keyOf, untilMs: () => Math.max(nextTryMs, (cache.uat ?? 0) + FRESH_MS) };
}

/** Whether keys were there, and none of them is the token's: the token is to blame. */
export function isOfToken(error: unknown): boolean {
  const { JWKSNoMatchingKey, JWKSMultipleMatchingKeys } = errors;
  return error instanceof JWKSNoMatchingKey || error instanceof JWKSMultipleMatchingKeys;
}
