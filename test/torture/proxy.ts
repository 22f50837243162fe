import { createConnection, createServer, type Socket, type AddressInfo } from "node:net";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { isCommit, messagesOf } from "./wire.ts";

/** Where in a COMMIT a connection is cut. */
export type Cut =
  /** PostgreSQL never sees it. */
  | "before COMMIT"
  /** PostgreSQL sees half of it. */
  | "in COMMIT"
  /** PostgreSQL sees it, and cannot answer. */
  | "after COMMIT"
  /** PostgreSQL has committed, and its answer is swallowed. */
  | "after COMMIT's answer";

/** A proxy between a server and PostgreSQL, which knows how to get in the way. */
export type Proxy = {
  readonly port: number;
  /** Cuts the connection on which the next COMMIT passes; resolves when it did. */
  cutNext(cut: Cut): Promise<void>;
  /** From now on everything takes so much longer, each way. */
  delay(ms: number): void;
  /** Lets nothing through, then resets all connections. */
  blackHole(ms: number): Promise<void>;
  /** Ends one direction of all connections, to the server or to PostgreSQL. */
  halfClose(to: "server" | "PostgreSQL"): void;
  close(): Promise<void>;
};

type Link = {
  readonly server: Socket;
  readonly postgres: Socket;
  /** Set while the answer to a COMMIT is to be swallowed. */
  swallow: (() => void) | undefined;
  /** What was sent before goes first, each way. */
  towards: Record<"server" | "postgres", { last: Promise<void>; waiting: number }>;
};

/**
 * Starts a proxy on a free port of the loopback.
 *
 * @param socketPath where PostgreSQL listens at the time of a connection; undefined: nowhere
 */
export async function startProxy(socketPath: () => string | undefined): Promise<Proxy> {
  const links = new Set<Link>();
  const cuts: { readonly cut: Cut; readonly done: () => void }[] = [];
  let delayMs = 0;
  let isHole = false;

  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (server) => {
    const path = socketPath();
    server.on("error", () => {});
    if (path === undefined) {
      server.resetAndDestroy();
      return;
    }
    const postgres = createConnection({ path, allowHalfOpen: true });
    const still = () => ({ last: Promise.resolve(), waiting: 0 });
    const link: Link = {
      server,
      postgres,
      swallow: undefined,
      towards: { server: still(), postgres: still() },
    };
    links.add(link);
    wire(link);
  });

  function wire(link: Link): void {
    const { server, postgres } = link;
    const read = messagesOf();
    server.on("data", (chunk) => {
      for (const { bytes, text } of read(chunk)) {
        const next = isCommit(text) ? cuts.shift() : undefined;
        if (next === undefined) void send(link, "postgres", bytes);
        else {
          cutAt(link, next.cut, bytes, next.done);
          return;
        }
      }
    });
    postgres.on("data", (chunk) => {
      if (link.swallow === undefined) void send(link, "server", chunk);
      else if (chunk.includes("COMMIT\0")) link.swallow();
    });
    server.on("end", () => postgres.end());
    postgres.on("end", () => server.end());
    for (const socket of [server, postgres]) {
      socket.on("error", () => {});
      socket.on("close", () => {
        links.delete(link);
        cut(link);
      });
    }
    if (isHole) hold(link);
  }

  async function send(link: Link, to: "server" | "postgres", bytes: Buffer): Promise<void> {
    const queue = link.towards[to];
    const socket = link[to];
    const write = () => void (socket.writable && socket.write(bytes));
    if (delayMs === 0 && queue.waiting === 0) return write();
    queue.waiting += 1;
    const before = queue.last;
    const inTurn = async () => {
      await Promise.all([before, sleep(delayMs)]);
      queue.waiting -= 1;
      write();
    };
    queue.last = inTurn();
    return queue.last;
  }

  await once(listener.listen(0, "127.0.0.1"), "listening");
  return {
    port: (listener.address() as AddressInfo).port,
    cutNext: (kind) => new Promise((done) => cuts.push({ cut: kind, done })),
    delay(ms) {
      delayMs = ms;
    },
    async blackHole(ms) {
      isHole = true;
      for (const link of links) hold(link);
      await sleep(ms);
      isHole = false;
      for (const link of links) cut(link);
    },
    halfClose(to) {
      for (const { server, postgres } of links) (to === "server" ? server : postgres).end();
    },
    async close() {
      listener.close();
      for (const link of links) cut(link);
      await once(listener, "close");
    },
  };
}

function cutAt(link: Link, kind: Cut, bytes: Buffer, done: () => void): void {
  const { server, postgres } = link;
  switch (kind) {
    case "before COMMIT":
      cut(link);
      break;
    case "in COMMIT":
      postgres.end(bytes.subarray(0, bytes.length >> 1));
      server.resetAndDestroy();
      break;
    case "after COMMIT":
      postgres.end(bytes);
      server.resetAndDestroy();
      break;
    case "after COMMIT's answer":
      link.swallow = () => {
        cut(link);
        done();
      };
      postgres.write(bytes);
      return;
  }
  done();
}

function hold({ server, postgres }: Link): void {
  server.pause();
  postgres.pause();
}

function cut({ server, postgres }: Link): void {
  server.resetAndDestroy();
  postgres.destroy();
}
