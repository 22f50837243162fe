import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import type { CloudEvent } from "../../src/relay/cloud-event.ts";

/** What a target got. */
export type Received = {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly event: CloudEvent;
};

/** What a target does with a request: answers with a status, or breaks the connection. */
export type Answer =
  | { readonly status: number; readonly headers?: OutgoingHttpHeaders }
  | "break the connection"
  | "hang";

/** A target of webhooks, until the end of the test. */
export type WebhookTarget = {
  readonly url: string;
  /** All that came, in order. */
  readonly came: readonly Received[];
  /** Breaks all connections and listens no more, as if it had been killed. */
  kill(): void;
  /** Listens again, at the same port. */
  revive(): Promise<void>;
};

/**
 * Starts one.
 *
 * @param answer decides what to do; the default is 204
 */
export async function webhookTarget(
  answer: (received: Received) => Answer = () => ({ status: 204 }),
): Promise<WebhookTarget> {
  const came: Received[] = [];
  const server = createServer((request, response) => {
    const receive = (body: string) => {
      const event = JSON.parse(body) as CloudEvent;
      const received = { headers: request.headers, body, event };
      came.push(received);
      const what = answer(received);
      if (what === "break the connection") request.socket.destroy();
      else if (what !== "hang") response.writeHead(what.status, what.headers).end();
    };
    // A request that breaks off says nothing.
    text(request).then(receive, () => {});
  });
  const listen = (port: number) => {
    return new Promise<void>((listening) => server.listen(port, "127.0.0.1", listening));
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const kill = () => {
    server.closeAllConnections();
    server.close();
  };
  onTestFinished(kill);
  return { url: `http://127.0.0.1:${port}/hook`, came, kill, revive: () => listen(port) };
}

/**
 * Whether a receiver of Standard Webhooks takes the request: one signature is by its secret, and the
 * timestamp is within five minutes of now.
 */
export function isGenuine({ headers, body }: Received, secret: string): boolean {
  const { "webhook-id": id, "webhook-timestamp": timestamp } = headers;
  if (Math.abs(Number(timestamp) - Date.now() / 1_000) > 300) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const right = createHmac("sha256", key)
    .update(`${String(id)}.${String(timestamp)}.${body}`)
    .digest();
  return String(headers["webhook-signature"])
    .split(" ")
    .some((word) => {
      const [version, signature = ""] = word.split(",");
      const bytes = Buffer.from(signature, "base64");
      return version === "v1" && bytes.length === right.length && timingSafeEqual(bytes, right);
    });
}
