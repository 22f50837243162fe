import { expect, test } from "vitest";
import { Abandoned } from "../../src/commit/batcher.ts";
import { handOver } from "../../src/rpc/hand-over.ts";

test("a message that Connect cannot send is no bug: the caller has gone away", async () => {
  const messages = handOver("a message");
  expect(await messages.next()).toEqual({ done: false, value: "a message" });
  const cause = Object.assign(new Error("write ECANCELED"), { code: "ECANCELED" });
  await expect(messages.throw(cause)).rejects.toThrow(Abandoned);
});

test("a message that is sent is followed by the next", async () => {
  async function* two() {
    yield* handOver(1);
    yield* handOver(2);
  }
  const sent: number[] = [];
  for await (const message of two()) sent.push(message);
  expect(sent).toEqual([1, 2]);
});
