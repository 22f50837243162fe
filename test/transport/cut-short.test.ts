import { once } from "node:events";
import * as net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import * as tls from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { makeAuthority } from "../support/certificates.ts";
import { mount } from "../support/mount.ts";

// A request over HTTP/1.1 that is refused while it is still sent. Its client reads nothing until
// all is sent, and gets the answer nevertheless.

const MAX_BYTES = 10_000;
const SENT_BYTES = 400_000;
const PIECE = Buffer.alloc(100_000);

let called: number;

test.each([false, true])(
  "the answer is there behind a request too large (TLS: %s)",
  async (isTls) => {
    const socket = await dial(isTls);
    called = 0;
    let answer = "";
    socket.on("data", (data: Buffer) => (answer += data.toString("latin1")));
    socket.on("error", () => {}).on("end", () => socket.end());
    socket.pause();
    socket.write(head(SENT_BYTES + 5));
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(SENT_BYTES, 1);
    socket.write(frame);
    for (let sent = 0; sent < SENT_BYTES; sent += PIECE.length) {
      socket.write(PIECE);
      await sleep(5);
    }
    // What comes behind it is not served: its client was told so.
    socket.write(`${head(5)}\0\0\0\0\0`);
    socket.resume();
    await new Promise((resolve) => socket.once("close", resolve));
    expect(called).toBe(0);
    expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(answer).toMatch(/^connection: close\r$/im);
    // RESOURCE_EXHAUSTED
    expect(answer).toContain("grpc-status: 8");
  },
);

test("whoever goes on sending is cut off", async () => {
  const socket = await dial(false);
  socket.on("error", () => {}).resume();
  socket.write(head(1_000_000_000));
  socket.write(Buffer.from("00ffffffff", "hex"));
  const sending = setInterval(() => socket.write(PIECE), 10);
  onTestFinished(() => clearInterval(sending));
  await new Promise((resolve) => socket.once("close", resolve));
});

/** Of a request. */
function head(length: number): string {
  return (
    `POST /${Health.typeName}/Check HTTP/1.1\r\nHost: localhost\r\n` +
    `Content-Type: application/grpc-web+proto\r\nContent-Length: ${length}\r\n\r\n`
  );
}

/** A client of a server that stays open for sending when the server has closed. */
async function dial(isTls: boolean): Promise<net.Socket> {
  const authority = await makeAuthority();
  const secure = isTls ? await authority.sign("localhost") : undefined;
  const routes = {
    check() {
      called += 1;
      return {};
    },
  };
  const listener = await mount((router) => void router.service(Health, routes), {
    maxBytes: MAX_BYTES,
    secure,
  });
  onTestFinished(() => listener.close(0));
  const plain = net.connect({ ...listener.address, allowHalfOpen: true });
  await once(plain, "connect");
  if (!isTls) return plain;
  const socket = tls.connect({
    socket: plain,
    ca: authority.cert,
    servername: "localhost",
    ALPNProtocols: ["http/1.1"],
  });
  await once(socket, "secureConnect");
  return socket;
}
