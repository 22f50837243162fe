import { setTimeout as sleep } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import {
  type ApplyRequest,
  ApplyRequestSchema,
  type ApplyResponseSchema,
} from "../../gen/points/v1/points_pb.ts";
import type { Caller } from "../auth/caller.ts";
import { type Lease, leaseKey } from "../auth/lease.ts";
import { Draining } from "../commit/batcher.ts";
import { invalidField } from "../errors/api-error.ts";
import type { Mutation } from "../ledger/command.ts";
import {
  commandOf,
  errorResult,
  isCommand,
  type OperationServer,
  type Result,
  resultOf,
  speakingForAttempts,
} from "./operation.ts";
import { orderedStream } from "./ordered-stream.ts";
import { validate } from "./validate.ts";

// Of one stream: operations whose results the caller has not read yet.
const UNREAD_MAX_OPS = 1_000;
const FULL_QUEUE_PAUSE_MS = 5;
const TAG_MAX_BYTES = 128;

/**
 * Handles Apply: a stream of operations, each answered once it is committed, in order within a
 * user. Backpressure: it reads on only while the caller reads results, the server's queue has room
 * and the caller's rate allows it. Each operation is authorized by itself: when a caller's lease
 * ends, the operations that were queued before are answered, and then the stream ends.
 */
export function applyStream(
  given: OperationServer,
  requests: AsyncIterable<ApplyRequest>,
  context: HandlerContext,
): AsyncGenerator<MessageInitShape<typeof ApplyResponseSchema>> {
  const { signal, values } = context;
  const server = speakingForAttempts(given, context);
  const lease = values.get(leaseKey);
  return orderedStream(requests, {
    keyOf: ({ operation }) => operation?.operation.value?.userId ?? "",
    async admit() {
      while (!server.hasRoom() && !signal.aborted) await sleep(FULL_QUEUE_PAUSE_MS);
      return callerInTurn(server, lease, signal);
    },
    async run(request, caller) {
      const tag = cutTag(request.tag);
      const command = commandOfRequest(server, request, caller);
      if (!isCommand(command)) return { tag, result: command };
      const [outcome] = await server.submit([command], signal);
      return { tag, result: resultOf(server, command, outcome!) };
    },
    unreadMax: UNREAD_MAX_OPS,
    signal,
    stopping: server.stopping,
    stopped: () => server.toError(new Draining("the server is stopping")),
  });
}

/**
 * Waits until the caller's rate allows one more operation.
 *
 * @returns the caller, with the scopes that they have by then
 * @throws if the caller's lease has ended
 */
async function callerInTurn(
  { rate }: OperationServer,
  lease: Lease,
  signal: AbortSignal,
): Promise<Caller> {
  for (;;) {
    const caller = await lease.caller();
    const waitMs = rate.take(caller.name);
    if (waitMs === 0 || signal.aborted) return caller;
    await sleep(waitMs, undefined, { signal }).catch(() => {});
  }
}

/** Checks the tag and the operation separately, so that the operation's fields keep their names. */
function commandOfRequest(
  server: OperationServer,
  { tag, operation }: ApplyRequest,
  caller: Caller,
): Mutation | Result {
  try {
    validate(ApplyRequestSchema, create(ApplyRequestSchema, { tag }));
    if (operation === undefined) throw invalidField("operation", "is required");
  } catch (thrown) {
    return errorResult(server.toError(thrown));
  }
  return commandOf(server, operation, caller);
}

/** Cuts a tag to its limit, by a copy: a slice of a large tag would keep all of it in memory. */
function cutTag(tag: string): string {
  return Buffer.from(tag.slice(0, TAG_MAX_BYTES)).subarray(0, TAG_MAX_BYTES).toString();
}
