import { once } from "node:events";
import { connect, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { nameFailedWrites } from "../../src/transport/failed-write.ts";

test("a write of which the caller takes only a part fails by a code that Connect knows", async () => {
  const failed = Promise.withResolvers<unknown>();
  const server = createServer((_, response) => {
    nameFailedWrites(response);
    // More than the flow control's window.
    response.write(Buffer.alloc(2 ** 24), "binary", failed.resolve);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(() => {
    session.destroy();
    server.close();
  });
  const request = session.request();
  await once(request, "response");
  session.destroy();
  expect(await failed.promise).toMatchObject({ code: "ERR_STREAM_DESTROYED" });
});

test("a write that is taken says so", async () => {
  const written = Promise.withResolvers<unknown>();
  const server = createServer((_, response) => {
    nameFailedWrites(response);
    response.write(Buffer.from("hello"), "binary", written.resolve);
    response.end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(() => {
    session.destroy();
    server.close();
  });
  session.request().resume();
  expect(await written.promise).toBeFalsy();
});
