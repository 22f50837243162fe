import { createConnection, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { isCommit, messagesOf } from "./wire.ts";

/** The point in a COMMIT at which a connection is cut. */
export type Cut =
  /** PostgreSQL sees what was sent before it, and never sees it. */
  | "before COMMIT"
  /** PostgreSQL sees half of it. */
  | "in COMMIT"
  /** PostgreSQL sees it, but cannot answer. */
  | "after COMMIT"
  /** PostgreSQL has committed, but its answer is dropped. */
  | "after COMMIT's answer";

/** One proxied connection from a server to PostgreSQL. */
export type Link = {
  /** Resets it. */
  cut(): void;
  /** Stops forwarding, and keeps the connection open. */
  hold(): void;
  /** Ends one direction of it. */
  halfClose(to: "server" | "PostgreSQL"): void;
};

/** The state that all links of a proxy share. */
export type Passage = {
  /** The latency to add each way. */
  delayMs(): number;
  /** The cut to make at a COMMIT; the link calls `done` after it. */
  nextCut(): { readonly cut: Cut; readonly done: () => void } | undefined;
  /** Called when the link has ended. */
  closed(link: Link): void;
};

/** PostgreSQL's address: a Unix socket, or host and port. */
export type Place = { readonly path: string } | { readonly host: string; readonly port: number };

/** Connects a server to PostgreSQL, and forwards both ways. */
export function openLink(server: Socket, place: Place, passage: Passage): Link {
  const postgres = createConnection({ ...place, allowHalfOpen: true });
  const toPostgres = sender(postgres, passage);
  const toServer = sender(server, passage);
  const read = messagesOf();
  // Set while the answer to a COMMIT must be dropped.
  let swallow: (() => void) | undefined;

  // PostgreSQL still has to read what was sent before. So its answers are read to their end and
  // dropped: a socket that is closed with unread answers takes back what it has sent.
  let isDraining = false;

  function endAfter(last: string | Buffer): void {
    isDraining = true;
    server.resetAndDestroy();
    postgres.end(last);
  }

  function cutAt(kind: Cut, commit: Buffer, done: () => void): void {
    switch (kind) {
      case "before COMMIT":
        endAfter("");
        break;
      case "in COMMIT":
        endAfter(commit.subarray(0, commit.length >> 1));
        break;
      case "after COMMIT":
        endAfter(commit);
        break;
      case "after COMMIT's answer":
        swallow = () => {
          link.cut();
          done();
        };
        postgres.write(commit);
        return;
    }
    done();
  }

  const link: Link = {
    cut() {
      server.resetAndDestroy();
      postgres.destroy();
    },
    hold() {
      server.pause();
      postgres.pause();
    },
    halfClose: (to) => void (to === "server" ? server : postgres).end(),
  };
  server.on("data", (chunk) => {
    for (const { bytes, text } of read(chunk)) {
      const next = isCommit(text) ? passage.nextCut() : undefined;
      // Messages after a cut COMMIT are dropped.
      if (next !== undefined) return cutAt(next.cut, bytes, next.done);
      toPostgres(bytes);
    }
  });
  postgres.on("data", (chunk) => {
    if (swallow === undefined) toServer(chunk);
    else if (chunk.includes("COMMIT\0")) swallow();
  });
  server.on("end", () => postgres.end());
  postgres.on("end", () => server.end());
  for (const socket of [server, postgres]) {
    socket.on("error", () => {});
    socket.on("close", () => {
      passage.closed(link);
      if (!isDraining) link.cut();
    });
  }
  return link;
}

/** Writes to the socket in order, each chunk after the current delay. */
function sender(socket: Socket, { delayMs }: Passage): (bytes: Buffer) => void {
  let last = Promise.resolve();
  let waiting = 0;
  const write = (bytes: Buffer) => void (socket.writable && socket.write(bytes));

  async function writeAfter(before: Promise<void>, arrival: Promise<void>, bytes: Buffer) {
    await Promise.all([before, arrival]);
    waiting -= 1;
    write(bytes);
  }

  return (bytes) => {
    const ms = delayMs();
    if (ms === 0 && waiting === 0) return write(bytes);
    waiting += 1;
    last = writeAfter(last, sleep(ms), bytes);
  };
}
