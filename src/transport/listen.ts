import * as net from "node:net";
import * as tls from "node:tls";
import type { Address } from "../config/address.ts";
import { catching, type Handler, type TryHandle } from "./handler.ts";
import { createHttp1 } from "./http1.ts";
import { createHttp2 } from "./http2.ts";
import type { ListenLimits } from "./listen-limits.ts";
import { sniffProtocol } from "./sniff-protocol.ts";
import type { TlsOptions } from "./tls.ts";

export type ListenOptions = {
  /** Port 0: the system chooses one. */
  readonly address: Address;
  /** May throw: the request is then answered 400, or cut off if its answer has begun. */
  readonly handler: Handler;
  /** Is asked first for each stream of HTTP/2. */
  readonly tryHandle?: TryHandle;
  readonly limits: ListenLimits;
  /** Undefined: no TLS. */
  readonly secure?: TlsOptions | undefined;
};

export type Listener = {
  /** With the port that the system chose if 0 was asked for. */
  address: Address;
  /**
   * Graceful shutdown: stops accepting, tells every client, lets requests under way finish, and
   * destroys what is left after `graceMs`. Resolves when all sockets are gone, never rejects. A
   * second call returns the first call's promise.
   */
  close(graceMs: number): Promise<void>;
  /**
   * Hot reload: uses these certificates for new connections.
   *
   * @returns the connections whose clients were checked against other authorities than these; none
   * if the authorities are the same as before
   */
  renew(options: TlsOptions): readonly net.Socket[];
};

/**
 * Serves HTTP/2 and HTTP/1.1 on one TCP port. With `secure`, ALPN decides between them; without
 * TLS, the first bytes do (prior knowledge).
 *
 * @throws if the address cannot be listened on
 */
export async function listen({
  address,
  handler,
  tryHandle = () => false,
  limits,
  secure,
}: ListenOptions): Promise<Listener> {
  const handle = catching(handler);
  const h1 = createHttp1(handle, limits);
  const h2 = createHttp2(handle, limits, tryHandle);
  const sockets = new Set<net.Socket>();
  // By peer: after the TLS handshake the connection comes back as another socket.
  const undecided = new Map<string, net.Socket>();

  const tcp = { noDelay: true, keepAlive: true, keepAliveInitialDelay: limits.keepAliveMs };
  const agreement = { ALPNProtocols: ["h2", "http/1.1"], handshakeTimeout: limits.firstByteMs };
  const tlsServer = secure && tls.createServer({ ...tcp, ...secure, ...agreement });
  const server = tlsServer ?? net.createServer(tcp);
  server.maxConnections = limits.connectionsMax;
  const serve = (socket: net.Socket, isHttp2: boolean) => {
    undecided.delete(peerOf(socket));
    supervise(socket, limits.lingerMs);
    (isHttp2 ? h2 : h1).serve(socket);
  };
  const ofPeer = countPeers();
  server.on("connection", (socket) => {
    const peer = peerOf(socket);
    socket.on("error", () => {});
    if (ofPeer(socket) > limits.connectionsMaxPerPeer) {
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
      sniffProtocol(socket, limits.firstByteMs, (isHttp2) => serve(socket, isHttp2));
    }
  });
  // ALPN itself refuses a client that offers neither protocol.
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
      // A failed accept, for instance without file descriptors, must not end the process.
      server.on("error", (error) => process.emitWarning(error));
      const bound = server.address() as net.AddressInfo;
      resolve({ host: bound.address, port: bound.port });
    });
  });
}

function peerOf({ remoteAddress, remotePort }: net.Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Counts each connection until it closes, and returns how many its address has. */
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

/** Keeps a socket's error from ending the process, and destroys a socket that its peer never closes. */
function supervise(socket: net.Socket, lingerMs: number) {
  socket.on("error", () => {});
  socket.once("finish", () => {
    const linger = setTimeout(() => socket.destroy(), lingerMs);
    socket.once("close", () => clearTimeout(linger));
  });
}
