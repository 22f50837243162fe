import { create } from "@bufbuild/protobuf";
import { ConnectError, createContextValues, type HandlerContext } from "@connectrpc/connect";
import { expect, test } from "vitest";
import {
  ApplyRequestSchema,
  OperationSchema,
  PointsService,
} from "../../gen/points/v1/points_pb.ts";
import { ANYBODY, callerKey } from "../../src/auth/caller.ts";
import { leaseKey, openLease } from "../../src/auth/lease.ts";
import { UNLIMITED } from "../../src/auth/rate-limit.ts";
import { applyBatch } from "../../src/rpc/apply-batch.ts";
import { applyStream } from "../../src/rpc/apply-stream.ts";
import type { OperationServer } from "../../src/rpc/operation.ts";

// All operations are there at once and each is refused. Nothing has to be waited for, so without
// pauses they are one turn of the event loop.

const COUNT = 1_000;
const TURNS_MIN = 10;

const SERVER: OperationServer = {
  submit: () => Promise.resolve([]),
  prices: () => {
    throw new Error("no operation gets as far as its price");
  },
  hasRoom: () => true,
  rate: UNLIMITED,
  stopping: new AbortController().signal,
  toError: (thrown) => ConnectError.from(thrown),
};

const CONTEXT = {
  signal: new AbortController().signal,
  method: PointsService.method.apply,
  requestHeader: new Headers(),
  values: createContextValues()
    .set(callerKey, ANYBODY)
    .set(leaseKey, openLease({ caller: ANYBODY, untilMs: Infinity, known: undefined })),
} as unknown as HandlerContext;

test("a batch yields to the event loop while it is worked through", async () => {
  const operations = Array.from({ length: COUNT }, () => create(OperationSchema));
  const { turns, result } = await turnsOf(() => applyBatch(SERVER, operations, CONTEXT));
  expect(result).toHaveLength(COUNT);
  expect(turns).toBeGreaterThan(TURNS_MIN);
});

test("a stream yields to the event loop while it works through operations that are there", async () => {
  const requests = async function* () {
    for (let n = 0; n < COUNT; n += 1) yield create(ApplyRequestSchema, { tag: `${n}` });
  };
  const { turns, result } = await turnsOf(async () => {
    const tags: (string | undefined)[] = [];
    for await (const { tag } of applyStream(SERVER, requests(), CONTEXT)) tags.push(tag);
    return tags;
  });
  expect(result).toEqual(Array.from({ length: COUNT }, (_, n) => `${n}`));
  expect(turns).toBeGreaterThan(TURNS_MIN);
});

/** How often the event loop comes around while something is done. */
async function turnsOf<T>(work: () => Promise<T>): Promise<{ turns: number; result: T }> {
  let turns = -1;
  let next: NodeJS.Immediate;
  const count = () => {
    turns += 1;
    next = setImmediate(count);
  };
  count();
  const result = await work();
  clearImmediate(next!);
  return { turns, result };
}
