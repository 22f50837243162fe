import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** An address that stays while servers behind it come and go, as a balancer's does. */
export type OneAddress = {
  readonly baseUrl: string;
  /** Cuts all connections, and leads new ones to this server; undefined: refuses them. */
  leadTo(server: { readonly port: number } | undefined): void;
};

export async function oneAddress(server: { readonly port: number }): Promise<OneAddress> {
  let target: { readonly port: number } | undefined = server;
  const sockets = new Set<Socket>();
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  const listener = createServer((browser) => {
    if (target === undefined) {
      browser.destroy();
      return;
    }
    const onwards = connect(target.port, "127.0.0.1");
    for (const [socket, other] of [
      [browser, onwards],
      [onwards, browser],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {}).on("close", () => other.destroy());
      socket.pipe(other);
    }
  });
  await once(listener.listen(0, "127.0.0.1"), "listening");
  onTestFinished(async () => {
    listener.close();
    cut();
    await once(listener, "close");
  });
  return {
    baseUrl: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    leadTo(next) {
      target = next;
      cut();
    },
  };
}
