import type * as http from "node:http";
import type * as http2 from "node:http2";
import * as net from "node:net";
import * as tls from "node:tls";
import type { Address } from "../config/address.ts";
import { guarded } from "./http-refusal.ts";
import { createHttp1 } from "./http1.ts";
import { createHttp2 } from "./http2.ts";
import type { TlsOptions } from "./tls.ts";

export type Handler = (
  req: http.IncomingMessage | http2.Http2ServerRequest,
  res: http.ServerResponse | http2.Http2ServerResponse,
) => void;

/** Takes a stream of HTTP/2 by its headers and answers it, or says false and leaves it alone. */
export type StreamTaker = (
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
) => boolean;

export type Listener = {
  /** Where it listens, with the port the system chose if 0 was asked for. */
  address: Address;
  /**
   * Stops accepting, tells every client, lets requests that run finish, and destroys what is left
   * after `graceMs`. Resolves when all sockets are gone, never rejects. Called again, it returns
   * the first call's promise.
   */
  close(graceMs: number): Promise<void>;
  /**
   * New connections get these certificates.
   *
   * @returns the connections whose clients were checked against other authorities than these; none,
   * if those are the same as before
   */
  renew(options: TlsOptions): readonly net.Socket[];
};

export type ListenLimits = typeof listenLimits;

/** The limits used unless told otherwise. */
export const listenLimits = {
  /** For a connection to say which protocol it speaks. */
  firstByteMs: 10_000,
  /** For an HTTP/2 session without streams, or a kept-alive HTTP/1 connection without requests. */
  idleMs: 300_000,
  /** For the head of an HTTP/1 request. */
  headersMs: 10_000,
  /** For a whole request to arrive. */
  requestMs: 60_000,
  /** For a peer to close a connection that is finished on this side. */
  lingerMs: 500,
  /** Silence after which TCP probes whether the peer still lives. */
  keepAliveMs: 60_000,
  maxConnections: 10_000,
  /** Of one address. */
  maxConnectionsPerPeer: 1_000,
  maxStreamsPerSession: 256,
  maxHeaderBytes: 16_384,
  /** Streams that a session may take back, at once and in the long run, before it is ended. */
  maxResetsBurst: 1_000,
  maxResetsPerSecond: 33,
  /** Whether requests of this path are streams, which `requestMs` does not bound. */
  isEndless: (_path: string): boolean => false,
};

/**
 * Serves HTTP/2 and HTTP/1.1 on one TCP port: with `secure` by TLS, where ALPN says which, and
 * otherwise without, where the first bytes do (prior knowledge).
 *
 * Port 0 lets the system choose. Rejects if the address cannot be listened on. `handler` may
 * throw: that request is then answered 400, or cut off if its answer had begun. `take` is asked
 * first for each stream of HTTP/2.
 */
export async function listen(
  address: Address,
  handler: Handler,
  limits: ListenLimits = listenLimits,
  take: StreamTaker = () => false,
  secure?: TlsOptions,
): Promise<Listener> {
  const handle = guarded(handler);
  const h1 = createHttp1(handle, limits);
  const h2 = createHttp2(handle, limits, take);
  const sockets = new Set<net.Socket>();
  // By its peer, for who has agreed on TLS comes back as another socket.
  const undecided = new Map<string, net.Socket>();

  const tcp = { noDelay: true, keepAlive: true, keepAliveInitialDelay: limits.keepAliveMs };
  const agreement = { ALPNProtocols: ["h2", "http/1.1"], handshakeTimeout: limits.firstByteMs };
  const tlsServer = secure && tls.createServer({ ...tcp, ...secure, ...agreement });
  const server = tlsServer ?? net.createServer(tcp);
  server.maxConnections = limits.maxConnections;
  const serve = (socket: net.Socket, isHttp2: boolean) => {
    undecided.delete(peerOf(socket));
    supervise(socket, limits.lingerMs);
    (isHttp2 ? h2 : h1).take(socket);
  };
  const ofPeers = countPeers();
  server.on("connection", (socket) => {
    const peer = peerOf(socket);
    socket.on("error", () => {});
    if (ofPeers(socket) > limits.maxConnectionsPerPeer) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    undecided.set(peer, socket);
    socket.once("close", () => {
      sockets.delete(socket);
      if (undecided.get(peer) === socket) undecided.delete(peer);
    });
    if (secure === undefined) {
      sniff(socket, limits.firstByteMs, (isHttp2) => serve(socket, isHttp2));
    }
  });
  // A client that offers no protocol that is served is refused by ALPN itself.
  tlsServer?.on("secureConnection", (socket) => serve(socket, socket.alpnProtocol === "h2"));
  const bound = await bind(server, address);

  const drain = async (graceMs: number) => {
    const gone = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of undecided.values()) socket.destroy();
    h1.drain();
    h2.drain();
    const grace = setTimeout(() => sockets.forEach((socket) => socket.destroy()), graceMs);
    await gone;
    clearTimeout(grace);
    h2.stop();
  };
  let draining: Promise<void> | undefined;
  let authorities = secure?.ca;
  return {
    address: bound,
    close: (graceMs) => (draining ??= drain(graceMs)),
    renew(options) {
      tlsServer?.setSecureContext(options);
      if (options.ca === authorities) return [];
      authorities = options.ca;
      for (const socket of undecided.values()) socket.destroy();
      return [...h1.sockets(), ...h2.sockets()];
    },
  };
}

function bind(server: net.Server, { host, port }: Address) {
  return new Promise<Address>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      // An accept that fails, for want of file descriptors say, must not end the process.
      server.on("error", (error) => process.emitWarning(error));
      const bound = server.address() as net.AddressInfo;
      resolve({ host: bound.address, port: bound.port });
    });
  });
}

function peerOf({ remoteAddress, remotePort }: net.Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Counts a connection until it is closed, and says how many its address has. */
function countPeers(): (socket: net.Socket) => number {
  const counts = new Map<string, number>();
  return (socket) => {
    const { remoteAddress: address = "" } = socket;
    const count = (counts.get(address) ?? 0) + 1;
    counts.set(address, count);
    socket.once("close", () => {
      const left = counts.get(address)! - 1;
      if (left === 0) counts.delete(address);
      else counts.set(address, left);
    });
    return count;
  };
}

/** Keeps a socket's errors from ending the process, and a peer that never closes from staying. */
function supervise(socket: net.Socket, lingerMs: number) {
  socket.on("error", () => {});
  socket.once("finish", () => {
    const linger = setTimeout(() => socket.destroy(), lingerMs);
    socket.once("close", () => clearTimeout(linger));
  });
}

const preface = Buffer.from("PRI * HTTP/2.0");

/**
 * Reads as much as tells HTTP/2 from HTTP/1, puts it back and says which it is. The socket is
 * left paused, since data must not flow before the protocol's own listeners are in place.
 */
function sniff(socket: net.Socket, firstByteMs: number, decided: (isHttp2: boolean) => void) {
  let seen: Buffer = Buffer.alloc(0);
  const destroy = () => socket.destroy();
  const timer = setTimeout(destroy, firstByteMs);
  const stop = () => {
    clearTimeout(timer);
    socket.off("data", onData).off("end", destroy).off("close", stop);
  };
  const onData = (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, preface.length);
    const isPreface = seen.subarray(0, length).equals(preface.subarray(0, length));
    if (isPreface && length < preface.length) return;
    stop();
    socket.pause();
    socket.unshift(seen);
    decided(isPreface);
  };
  socket.on("data", onData).on("end", destroy).on("close", stop);
}
