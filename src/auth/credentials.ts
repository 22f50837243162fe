import { hash, timingSafeEqual, X509Certificate } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { type ContextKey, type ConnectError, createContextKey } from "@connectrpc/connect";
import type { Caller } from "./caller.ts";
import type { KnownCaller } from "./callers-file.ts";
import { type Jwts, TokenInvalid } from "./jwt.ts";
import { unauthenticated } from "./refusals.ts";

/** The credentials of a request. */
export type Credentials = {
  readonly authorization: string | undefined;
  /** An HTTP/2 session or an HTTP/1.1 request; undefined: the connection is gone. */
  readonly connection: Http2Session | IncomingMessage | undefined;
};

/** The key of the credentials in a call's context. */
export const credentialsKey: ContextKey<Credentials> = createContextKey<Credentials>({
  authorization: undefined,
  connection: undefined,
});

/** A time that never comes. */
export const FOR_EVER = Number.POSITIVE_INFINITY;

/** An admitted caller, and until when they need no further check. */
export type Admitted = {
  readonly caller: Caller;
  /** In milliseconds since 1970, or {@link FOR_EVER}. */
  readonly untilMs: number;
  /** The credentials that were known then; undefined: the caller needs none. */
  readonly known: Known | undefined;
};

/**
 * All known credentials, with a cache of those that were verified. Each reload replaces the object,
 * so an admitted caller is up to date if their object is still the current one.
 */
export type Known = {
  readonly callers: readonly KnownCaller[];
  /** Tokens that were verified, by their SHA-256, the oldest first. */
  readonly verified: Map<string, Admitted>;
  readonly ofSockets: WeakMap<Socket, Admitted>;
};

const VERIFIED_MAX_TOKENS = 10_000;

/** Makes one with an empty cache. */
export function knownFrom(callers: readonly KnownCaller[]): Known {
  return { callers, verified: new Map(), ofSockets: new WeakMap() };
}

/**
 * Identifies the caller: by the request's token if it has one, else by the certificate of its
 * connection (mTLS).
 *
 * @param outdated connections whose certificates are no longer accepted
 * @throws {TokenInvalid} as a rejection
 * @throws {KeysUnavailable} as a rejection
 */
export function callerOf(
  known: Known,
  { authorization, connection }: Credentials,
  jwts: Jwts | undefined,
  outdated: WeakSet<Socket>,
): Admitted | ConnectError | Promise<Admitted> {
  if (authorization === undefined) return callerOfConnection(known, connection, outdated);
  const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(authorization) ?? [];
  if (token === undefined) return unauthenticated("authorization must be: Bearer, and a token");
  const digest = hash("sha256", token, "base64");
  const cached = known.verified.get(digest);
  if (cached !== undefined && cached.untilMs > Date.now()) return cached;

  const caller = callerOfToken(known.callers, Buffer.from(digest, "base64"));
  if (caller !== undefined) {
    return remember(known, digest, { caller, untilMs: FOR_EVER, known });
  }
  if (jwts === undefined) return unauthenticated("the token is not valid");
  return jwts.verify(token).then((jwt) => {
    // A name must mean one caller: entries and rate limits go by it.
    if (known.callers.some((one) => one.caller.name === jwt.caller.name)) {
      throw new TokenInvalid("the token names a caller of the file of callers");
    }
    return remember(known, digest, { ...jwt, known });
  });
}

/** Compares with every token in constant time, so the time it takes leaks nothing. */
function callerOfToken(callers: readonly KnownCaller[], digest: Buffer): Caller | undefined {
  let found: Caller | undefined;
  for (const { caller, tokenDigests } of callers) {
    for (const own of tokenDigests) if (timingSafeEqual(own, digest)) found = caller;
  }
  return found;
}

function remember({ verified }: Known, digest: string, admitted: Admitted): Admitted {
  verified.delete(digest);
  verified.set(digest, admitted);
  if (verified.size > VERIFIED_MAX_TOKENS) {
    const [oldest] = verified.keys();
    if (oldest !== undefined) verified.delete(oldest);
  }
  return admitted;
}

// A connection is closed this long before its certificate expires. The client connects again with
// its next certificate, so none of its calls is refused. IDLE_MS closes connections without calls.
const CLOSE_BEFORE_EXPIRY_MS = 300_000;

/** The TLS handshake has proved that the client owns the certificate, and that the CA signed it. */
function callerOfConnection(
  known: Known,
  connection: Credentials["connection"],
  outdated: WeakSet<Socket>,
): Admitted | ConnectError {
  const socket = connection?.socket;
  if (connection === undefined || !(socket instanceof TLSSocket) || !socket.authorized) {
    return unauthenticated("no token was sent");
  }
  const cached = known.ofSockets.get(socket);
  if (cached !== undefined && cached.untilMs - CLOSE_BEFORE_EXPIRY_MS > Date.now()) return cached;

  const shown = socket.getPeerX509Certificate();
  const untilMs = shown?.validToDate.getTime() ?? 0;
  if (untilMs - CLOSE_BEFORE_EXPIRY_MS <= Date.now()) closeGracefully(connection);
  if (untilMs <= Date.now()) return unauthenticated("the certificate has expired");
  if (outdated.has(socket)) {
    closeGracefully(connection);
    return unauthenticated("the certificate's authority has been replaced: connect again");
  }
  const found = known.callers.find(
    ({ certificate: name }) =>
      name !== undefined && shown?.checkHost(name, { wildcards: false }) !== undefined,
  );
  if (found === undefined) return unauthenticated("the certificate is not one of a caller");
  const admitted = { caller: found.caller, untilMs, known };
  known.ofSockets.set(socket, admitted);
  return admitted;
}

/** Closes a connection after its calls are answered. New calls go to another connection. */
function closeGracefully(connection: Http2Session | IncomingMessage): void {
  if ("close" in connection) connection.close();
  else connection.once("close", () => connection.socket.destroySoon());
}

/**
 * Whether one of these authorities signed a connection's certificate directly. Intermediate
 * certificates do not count: Node does not keep those that clients send.
 */
export function isSignedBy(authorities: readonly X509Certificate[], socket: Socket): boolean {
  const shown = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  return authorities.some((by) => shown?.checkIssued(by) === true && shown.verify(by.publicKey));
}

/** Reads all certificates of a text in PEM. */
export function readCertificates(pem: string): X509Certificate[] {
  const all = pem.match(/-----BEGIN ([A-Z0-9 ]*CERTIFICATE)-----[^]+?-----END \1-----/g) ?? [];
  return all.map((one) => new X509Certificate(one));
}
