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

/** What a request has to say who sends it. */
export type Credentials = {
  readonly authorization: string | undefined;
  /** A session of HTTP/2, or a request of HTTP/1.1; undefined: it is gone. */
  readonly connection: Http2Session | IncomingMessage | undefined;
};

/** Where a call's context has its credentials. */
export const credentialsKey: ContextKey<Credentials> = createContextKey<Credentials>({
  authorization: undefined,
  connection: undefined,
});

/** A time that does not come. */
export const FOR_EVER = Number.POSITIVE_INFINITY;

/** Who was let in, and for how long nobody has to ask again. */
export type Admitted = {
  readonly caller: Caller;
  /** In milliseconds since 1970, or {@link FOR_EVER}. */
  readonly untilMs: number;
  /** What was known then; undefined: they need not be known. */
  readonly known: Known | undefined;
};

/** What callers are known by. It is another one whenever any of it was read again. */
export type Known = {
  readonly callers: readonly KnownCaller[];
  /** By their SHA-256, tokens that were found valid, the oldest first. */
  readonly verified: Map<string, Admitted>;
  readonly ofSockets: WeakMap<Socket, Admitted>;
};

const VERIFIED_MAX_TOKENS = 10_000;

/** Makes one, which has yet to see a token. */
export function knownFrom(callers: readonly KnownCaller[]): Known {
  return { callers, verified: new Map(), ofSockets: new WeakMap() };
}

/**
 * The caller that a request's credentials name: by its token where there is one, and otherwise by
 * the certificate of its connection.
 *
 * @param outdated connections whose certificates count no longer
 * @throws {TokenInvalid} the promise
 * @throws {KeysUnavailable} the promise
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
  const before = known.verified.get(digest);
  if (before !== undefined && before.untilMs > Date.now()) return before;

  const caller = callerOfToken(known.callers, Buffer.from(digest, "base64"));
  if (caller !== undefined) {
    return remember(known, digest, { caller, untilMs: FOR_EVER, known });
  }
  if (jwts === undefined) return unauthenticated("the token is not valid");
  return jwts.verify(token).then((jwt) => {
    // A name is one caller: in entries, and where operations are counted.
    if (known.callers.some((one) => one.caller.name === jwt.caller.name)) {
      throw new TokenInvalid("the token names a caller of the file of callers");
    }
    return remember(known, digest, { ...jwt, known });
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

function remember({ verified }: Known, digest: string, admitted: Admitted): Admitted {
  verified.delete(digest);
  verified.set(digest, admitted);
  if (verified.size > VERIFIED_MAX_TOKENS) {
    const [oldest] = verified.keys();
    if (oldest !== undefined) verified.delete(oldest);
  }
  return admitted;
}

// A connection whose certificate expires is closed some time before: its client makes another one,
// with its next certificate, and no call of it is refused. Who does not call is closed by IDLE_MS.
const LEAVES_BEFORE_MS = 300_000;

/** The handshake has proved that the certificate is its sender's, and that the CA signed it. */
function callerOfConnection(
  known: Known,
  connection: Credentials["connection"],
  outdated: WeakSet<Socket>,
): Admitted | ConnectError {
  const socket = connection?.socket;
  if (connection === undefined || !(socket instanceof TLSSocket) || !socket.authorized) {
    return unauthenticated("no token was sent");
  }
  const before = known.ofSockets.get(socket);
  if (before !== undefined && before.untilMs - LEAVES_BEFORE_MS > Date.now()) return before;

  const shown = socket.getPeerX509Certificate();
  const untilMs = shown?.validToDate.getTime() ?? 0;
  if (untilMs - LEAVES_BEFORE_MS <= Date.now()) leave(connection);
  if (untilMs <= Date.now()) return unauthenticated("the certificate has expired");
  if (outdated.has(socket)) {
    leave(connection);
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

/** Closes a connection once what is under way on it is answered; calls go to another one. */
function leave(connection: Http2Session | IncomingMessage): void {
  if ("close" in connection) connection.close();
  else connection.once("close", () => connection.socket.destroySoon());
}

/**
 * Whether one of these authorities has signed a connection's certificate. What clients send between
 * the two is not looked at: Node does not keep it.
 */
export function isSignedBy(authorities: readonly X509Certificate[], socket: Socket): boolean {
  const shown = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  return authorities.some((by) => shown?.checkIssued(by) === true && shown.verify(by.publicKey));
}

/** The certificates of a file in PEM. */
export function readCertificates(pem: string): X509Certificate[] {
  const all = pem.match(/-----BEGIN ([A-Z0-9 ]*CERTIFICATE)-----[^]+?-----END \1-----/g) ?? [];
  return all.map((one) => new X509Certificate(one));
}
