import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import type { Listener } from "../../src/transport/listen.ts";
import { mount } from "../support/mount.ts";
import { exchange } from "../support/exchange.ts";
import { envelope } from "../support/raw-call.ts";

// What a handler writes into its headers and trailers arrives as that, though no message comes
// between them. Without headers of its own, an error is headers alone (Trailers-Only).

const CHECK = "/grpc.health.v1.Health/Check";
const WATCH = "/grpc.health.v1.Health/Watch";

let listener: Listener;
/** What the handler does of these. */
let acts: { readonly writes: boolean; readonly fails: boolean };

function act({ responseHeader, responseTrailer }: HandlerContext): void {
  if (acts.writes) responseHeader.set("x-own", "head");
  responseTrailer.set("x-own-end", "tail");
  if (acts.fails) throw new ConnectError("no", Code.NotFound);
}

beforeAll(async () => {
  const health = {
    check(_: unknown, context: HandlerContext) {
      act(context);
      return {};
    },
    async *watch(_: unknown, context: HandlerContext) {
      act(context);
      yield* [];
    },
  };
  listener = await mount((router) => void router.service(Health, health), {
    maxBytes: 1_000,
  });
});
afterAll(() => listener.close(0));

test.each([
  ["an error, the fast way", CHECK, true],
  // The query keeps it from the fast way.
  ["an error, Connect's way", `${CHECK}?`, true],
  ["an error of a stream", WATCH, true],
  ["the end of an empty stream", WATCH, false],
])("headers of a handler come before %s", async (_, path, fails) => {
  acts = { writes: true, fails };
  const { headers, trailers, body } = await ask(path);
  expect(body).toBe("");
  expect(headers).toMatchObject({ ":status": 200, "x-own": "head" });
  expect(headers).not.toHaveProperty("grpc-status");
  expect(trailers).toMatchObject({ "x-own-end": "tail", "grpc-status": fails ? "5" : "0" });
});

test.each([CHECK, `${CHECK}?`, WATCH])(
  "without any, an error of %s is headers alone",
  async (path) => {
    acts = { writes: false, fails: true };
    const { headers, trailers } = await ask(path);
    expect(headers).toMatchObject({ "x-own-end": "tail", "grpc-status": "5" });
    expect(trailers).toEqual({});
  },
);

function ask(path: string) {
  const type = { "content-type": "application/grpc", te: "trailers" };
  const headers = { ":method": "POST", ":path": path, ...type };
  return exchange(listener.address.port, { headers, chunks: [envelope(new Uint8Array())] });
}
