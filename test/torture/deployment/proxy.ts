import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Cut, type Link, openLink, type Place, type Passage } from "./link.ts";

/** A fault-injecting TCP proxy between a server and PostgreSQL. */
export type Proxy = {
  readonly port: number;
  /** Cuts the connection of the next COMMIT; resolves after the cut. */
  cutNext(cut: Cut): Promise<void>;
  /** Adds this latency each way from now on. */
  delay(ms: number): void;
  /** Forwards nothing for this long, then resets all connections. */
  blackHole(ms: number): Promise<void>;
  /** Resets all connections. */
  reset(): void;
  /** Ends one direction of all connections, to the server or to PostgreSQL. */
  halfClose(to: "server" | "PostgreSQL"): void;
  close(): Promise<void>;
};

/**
 * Starts a proxy on a free port of the loopback.
 *
 * @param placeOf gives PostgreSQL's address for each new connection; undefined: it is down
 */
export async function startProxy(placeOf: () => Place | undefined): Promise<Proxy> {
  const links = new Set<Link>();
  const cuts: { readonly cut: Cut; readonly done: () => void }[] = [];
  let delayMs = 0;
  let isHole = false;
  const passage: Passage = {
    delayMs: () => delayMs,
    nextCut: () => cuts.shift(),
    closed: (link) => void links.delete(link),
  };

  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (server) => {
    server.on("error", () => {});
    const place = placeOf();
    if (place === undefined) {
      server.resetAndDestroy();
      return;
    }
    const link = openLink(server, place, passage);
    links.add(link);
    if (isHole) link.hold();
  });
  await once(listener.listen(0, "127.0.0.1"), "listening");

  return {
    port: (listener.address() as AddressInfo).port,
    cutNext: (cut) => new Promise((done) => cuts.push({ cut, done })),
    delay(ms) {
      delayMs = ms;
    },
    async blackHole(ms) {
      isHole = true;
      for (const link of links) link.hold();
      await sleep(ms);
      isHole = false;
      for (const link of links) link.cut();
    },
    reset() {
      for (const link of links) link.cut();
    },
    halfClose(to) {
      for (const link of links) link.halfClose(to);
    },
    async close() {
      listener.close();
      for (const link of links) link.cut();
      await once(listener, "close");
    },
  };
}
