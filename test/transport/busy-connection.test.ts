import { once } from "node:events";
import type * as http from "node:http";
import * as net from "node:net";
import { buffer } from "node:stream/consumers";
import * as tls from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { readConfig } from "../../src/config/environment.ts";
import type { Handler } from "../../src/transport/handler.ts";
import { listenLimits } from "../../src/transport/listen-limits.ts";
import { listen } from "../../src/transport/listen.ts";
import { makeAuthority } from "../support/certificates.ts";

const LARGE = Buffer.alloc(20_000_000);

test.each([false, true])(
  "a request behind an answer that is not read waits (TLS: %s)",
  async (isTls) => {
    const authority = await makeAuthority();
    const secure = isTls ? await authority.sign("localhost") : undefined;
    const address = { host: "127.0.0.1", port: 0 };
    const listener = await listen({
      address,
      handler: answer,
      limits: listenLimits(readConfig({})),
      secure,
    });
    onTestFinished(() => listener.close(0));
    const { port } = listener.address;
    const socket = isTls
      ? tls.connect({ port, ca: authority.cert, servername: "localhost" })
      : net.connect(port, "127.0.0.1");
    await once(socket, isTls ? "secureConnect" : "connect");

    socket.write("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    await once(socket, "readable");
    // It comes in several records of TLS: Node would read on, and call the second an error.
    socket.write("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n");
    socket.write("Connection: close\r\n\r\n");
    socket.write(Buffer.alloc(200_000));
    const answers = await buffer(socket);
    expect(answers.length).toBeGreaterThan(LARGE.length);
    expect(answers.subarray(-200).toString()).toMatch(/got 200000$/);
  },
);

const answer: Handler = (request, response) => {
  void buffer(request as http.IncomingMessage).then(({ length }) =>
    (response as http.ServerResponse).end(length === 0 ? LARGE : `got ${length}`),
  );
};
