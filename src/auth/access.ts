import { hash, timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { type ContextKey, ConnectError, createContextKey } from "@connectrpc/connect";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import { rereadOnHangup } from "../reread.ts";
import { ANYBODY, type Caller, NOBODY } from "./caller.ts";
import { type KnownCaller, readCallers } from "./callers-file.ts";
import { type Jwts, KeysUnavailable, openJwts, TokenInvalid } from "./jwt.ts";
import { createRate, NO_RATE, type Rate } from "./rate.ts";
import { keysUnavailable, rateLimited, unauthenticated } from "./refusals.ts";
import { denialOfMethod, isForEverybody } from "./rules.ts";

/** What a request has to say who sends it. */
export type Credentials = {
  readonly authorization: string | undefined;
  /** A session of HTTP/2, or a request of HTTP/1.1; undefined: it is gone. */
  readonly connection: { readonly socket: Socket } | undefined;
};

/** Where a call's context has its credentials. */
export const credentialsKey: ContextKey<Credentials> = createContextKey<Credentials>({
  authorization: undefined,
  connection: undefined,
});

/**
 * Says who calls a method, or why they may not. Nothing of the request is read for it but its head,
 * and nothing is looked up. It never throws.
 *
 * @param path as "/points.v1.PointsService/Consume"
 */
export type Admit = (path: string, credentials: Credentials) => Admission | Promise<Admission>;

/** The caller, or the error that the request is answered with. */
export type Admission = Caller | ConnectError;

/** Who may call this server. */
export type Access = {
  readonly admit: Admit;
  /** Counts the operations of callers; one for each request is counted by `admit`. */
  readonly rate: Rate;
  close(): void;
};

const VERIFIED_MAX_TOKENS = 10_000;
const VERIFIED_MAX_MS = 60_000;

/**
 * Reads who may call: the file of callers, again at each SIGHUP, and the keys of JWTs. Without
 * either everybody may do all.
 *
 * A token names the caller where one is sent, and otherwise the certificate of the connection.
 *
 * @throws {UsageError}
 */
export function openAccess(
  config: Config,
  log: Logger,
  toError: (thrown: unknown) => ConnectError,
): Access {
  const { callers: path } = config;
  if (path === undefined && config.jwtKeys === undefined) {
    return { admit: () => ANYBODY, rate: NO_RATE, close: () => {} };
  }
  const rate = createRate(config.callerMaxPerSecond);
  const forget = () => (known = { ...known, verified: new Map(), ofSockets: new WeakMap() });
  const jwts = openJwts(config, log, forget);
  let known = knownFrom(path);
  const read = () => (known = knownFrom(path));
  const stopReading = path === undefined ? () => {} : rereadOnHangup(read, log, "callers");

  const admit: Admit = (method, credentials) => {
    if (isForEverybody(method)) return NOBODY;
    const judge = (caller: Admission) => {
      if (caller instanceof ConnectError) return caller;
      const denial = denialOfMethod(caller, method);
      if (denial !== undefined) return denial;
      const waitMs = rate.take(caller.name);
      return waitMs === 0 ? caller : rateLimited(waitMs);
    };
    const found = callerOf(known, jwts, credentials);
    return found instanceof Promise ? found.catch(refusal).then(judge) : judge(found);
  };
  const refusal = (thrown: unknown) => {
    if (thrown instanceof TokenInvalid) return unauthenticated(thrown.message);
    if (!(thrown instanceof KeysUnavailable)) return toError(thrown);
    log.error({ err: thrown }, "the keys of JWTs cannot be had");
    return keysUnavailable(thrown);
  };
  return {
    admit,
    rate,
    close() {
      stopReading();
      jwts?.close();
    },
  };
}

type Known = {
  readonly callers: readonly KnownCaller[];
  /** By their SHA-256, tokens that were found valid, the oldest first. */
  readonly verified: Map<string, { readonly caller: Caller; readonly untilMs: number }>;
  readonly ofSockets: WeakMap<Socket, Caller>;
};

function knownFrom(path: string | undefined): Known {
  const callers = path === undefined ? [] : readCallers(path);
  return { callers, verified: new Map(), ofSockets: new WeakMap() };
}

function callerOf(
  known: Known,
  jwts: Jwts | undefined,
  { authorization, connection }: Credentials,
): Admission | Promise<Admission> {
  if (authorization === undefined) return callerOfSocket(known, connection?.socket);
  const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(authorization) ?? [];
  if (token === undefined) return unauthenticated("authorization must be: Bearer, and a token");
  const digest = hash("sha256", token, "base64");
  const before = known.verified.get(digest);
  if (before !== undefined && before.untilMs > Date.now()) return before.caller;

  const caller = callerOfToken(known.callers, Buffer.from(digest, "base64"));
  if (caller !== undefined) {
    remember(known, digest, caller, Number.POSITIVE_INFINITY);
    return caller;
  }
  if (jwts === undefined) return unauthenticated("the token is not valid");
  return jwts.verify(token).then((jwt) => {
    // Not for long: its key may be withdrawn.
    remember(known, digest, jwt.caller, Math.min(jwt.untilMs, Date.now() + VERIFIED_MAX_MS));
    return jwt.caller;
  });
}

/** Compares with all of them, and each to its end: the time that it takes tells nothing. */
function callerOfToken(callers: readonly KnownCaller[], digest: Buffer): Caller | undefined {
  let found: Caller | undefined;
  for (const { caller, tokenDigests } of callers) {
    for (const own of tokenDigests) if (timingSafeEqual(own, digest)) found = caller;
  }
  return found;
}

function remember({ verified }: Known, digest: string, caller: Caller, untilMs: number): void {
  verified.delete(digest);
  verified.set(digest, { caller, untilMs });
  if (verified.size <= VERIFIED_MAX_TOKENS) return;
  for (const oldest of verified.keys()) return void verified.delete(oldest);
}

/** The handshake has proved that the certificate is its sender's, and that the CA signed it. */
function callerOfSocket({ callers, ofSockets }: Known, socket: Socket | undefined): Admission {
  if (!(socket instanceof TLSSocket) || !socket.authorized) {
    return unauthenticated("no token was sent");
  }
  const before = ofSockets.get(socket);
  if (before !== undefined) return before;
  const shown = socket.getPeerX509Certificate();
  const found = callers.find(
    ({ certificate: name }) =>
      name !== undefined && shown?.checkHost(name, { wildcards: false }) !== undefined,
  );
  if (found === undefined) return unauthenticated("the certificate is not one of a caller");
  ofSockets.set(socket, found.caller);
  return found.caller;
}
