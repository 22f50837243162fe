import { setTimeout as sleep } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type HandlerContext } from "@connectrpc/connect";
import { type Status, StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import {
  type ApplyRequest,
  ApplyRequestSchema,
  type ApplyResponseSchema,
  type Operation,
  type OperationResultSchema,
  OperationSchema,
} from "../../gen/points/v1/points_pb.ts";
import { type Caller, callerKey } from "../auth/caller.ts";
import { type Lease, leaseKey } from "../auth/lease.ts";
import type { Rate } from "../auth/rate.ts";
import { requireOperation } from "../auth/rules.ts";
import { Draining } from "../commit/batcher.ts";
import type { Submit } from "../commit/group-commit.ts";
import { invalidField } from "../errors/api-error.ts";
import type { Answer } from "../ledger/batch.ts";
import type { Mutation } from "../ledger/command.ts";
import type { PriceList } from "../ledger/prices.ts";
import type { Rejection } from "../ledger/rejection.ts";
import { toFreezeAnswer, toMutationAnswer } from "./answers.ts";
import { type SetOperation, toCommand } from "./commands.ts";
import { PREVIOUS_ATTEMPTS, speakForAttempts } from "./earlier-attempts.ts";
import { createPause } from "./pause.ts";
import { answerOf } from "./rejection-error.ts";
import { validate } from "./validate.ts";

/** What operations need of the server. */
export type OperationServer = {
  readonly submit: Submit;
  /** The list in force. */
  readonly prices: () => PriceList;
  /** Whether the queue would take an operation now. */
  readonly hasRoom: () => boolean;
  /** Counts the operations of callers. */
  readonly rate: Rate;
  /** Fires when the server stops: streams then answer what they have read, and end. */
  readonly stopping: AbortSignal;
  /** Any error as one of this API. */
  readonly toError: (thrown: unknown) => ConnectError;
};

type Result = MessageInitShape<typeof OperationResultSchema>;
type Response = MessageInitShape<typeof ApplyResponseSchema>;

// Of one stream: operations whose results the caller has not read yet.
const UNREAD_MAX_OPS = 1_000;
const FULL_QUEUE_PAUSE_MS = 5;
const TAG_MAX_BYTES = 128;

/** One result an operation, in their order. It never throws. */
export async function applyBatch(
  given: OperationServer,
  operations: readonly Operation[],
  context: HandlerContext,
): Promise<Result[]> {
  const { signal, values } = context;
  const server = speakingForAttempts(given, context);
  const caller = values.get(callerKey);
  // One is counted already.
  server.rate.add(caller.name, operations.length - 1);
  const pause = createPause();
  const commands: (Mutation | Result)[] = [];
  for (const operation of operations) {
    commands.push(commandOf(server, operation, caller));
    await pause();
  }
  const outcomes = (await server.submit(commands.filter(isCommand), signal)).values();
  const results: Result[] = [];
  for (const command of commands) {
    const isQueued = isCommand(command);
    results.push(isQueued ? resultOf(server, command, outcomes.next().value!) : command);
    await pause();
  }
  return results;
}

/**
 * Results of a stream of operations, each once it is committed. It reads on only while there is
 * room: for results in the caller's hands, and for operations in the server's queue. Who may is
 * asked for each operation; of who is out, what was queued before is answered, and then it ends.
 */
export async function* applyStream(
  given: OperationServer,
  requests: AsyncIterable<ApplyRequest>,
  context: HandlerContext,
): AsyncGenerator<Response> {
  const { signal, values } = context;
  const server = speakingForAttempts(given, context);
  const ready: Response[] = [];
  let unread = 0;
  let changed = Promise.withResolvers<void>();
  const wake = () => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  signal.addEventListener("abort", wake, { once: true });
  server.stopping.addEventListener("abort", wake, { once: true });
  const stopped = () => server.toError(new Draining("the server is stopping"));
  // Results of one user stay in order, those of operations that were never queued among them.
  const last = new Map<string, Promise<void>>();

  async function deliver(tag: string, result: Promise<Result>, before?: Promise<void>) {
    const [done] = await Promise.all([result, before]);
    ready.push({ tag: cutTag(tag), result: done });
  }

  async function read(): Promise<void> {
    const pause = createPause();
    for await (const request of requests) {
      await pause();
      while (unread >= UNREAD_MAX_OPS && !signal.aborted) await changed.promise;
      while (!server.hasRoom() && !signal.aborted) await sleep(FULL_QUEUE_PAUSE_MS);
      const caller = await turnOf(server, values.get(leaseKey), signal);
      if (server.stopping.aborted) throw stopped();
      unread += 1;
      const userId = request.operation?.operation.value?.userId ?? "";
      const result = streamResult(server, request, caller, signal);
      const before = last.get(userId);
      const delivered: Promise<void> = deliver(request.tag, result, before).then(() => {
        if (last.get(userId) === delivered) last.delete(userId);
        return wake();
      });
      last.set(userId, delivered);
    }
  }

  let reading = true;
  const end = read().finally(() => {
    reading = false;
    wake();
  });
  end.catch(() => {}); // It is awaited below, but may fail before.
  const pause = createPause();
  try {
    while ((reading && !server.stopping.aborted) || unread > 0) {
      const next = ready.shift();
      if (next === undefined) {
        await changed.promise;
        continue;
      }
      yield next;
      unread -= 1;
      wake();
      await pause();
    }
  } finally {
    server.stopping.removeEventListener("abort", wake);
  }
  if (reading) throw stopped();
  await end;
}

/** Whose refusals of operations are true of the call's earlier attempts too. */
function speakingForAttempts(server: OperationServer, context: HandlerContext): OperationServer {
  const toError = (thrown: unknown) => {
    const error = server.toError(thrown);
    // Made when it is asked for, and few calls do.
    speakForAttempts(error, context.method, context.requestHeader.get(PREVIOUS_ATTEMPTS));
    return error;
  };
  return { ...server, toError };
}

/**
 * Slows a stream down to as many operations as its caller may have.
 *
 * @returns the caller, as they are when it is their turn
 * @throws if they are out
 */
async function turnOf(
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

/** A tag that breaks its limit must not wait in memory: as a copy, for a slice keeps the whole. */
function cutTag(tag: string): string {
  return Buffer.from(tag.slice(0, TAG_MAX_BYTES)).subarray(0, TAG_MAX_BYTES).toString();
}

async function streamResult(
  server: OperationServer,
  request: ApplyRequest,
  caller: Caller,
  signal: AbortSignal,
): Promise<Result> {
  const { operation } = request;
  try {
    // The tag; the operation is checked for itself, so that its fields have the usual names.
    validate(ApplyRequestSchema, create(ApplyRequestSchema, { tag: request.tag }));
    if (operation === undefined) throw invalidField("operation", "is required");
  } catch (thrown) {
    return errorResult(server.toError(thrown));
  }
  const command = commandOf(server, operation, caller);
  if (!isCommand(command)) return command;
  const [outcome] = await server.submit([command], signal);
  return resultOf(server, command, outcome!);
}

/** The command that an operation is, or at once its result: what is wrong with it. */
function commandOf(
  { prices, toError }: OperationServer,
  { operation }: Operation,
  caller: Caller,
): Mutation | Result {
  try {
    if (operation.case === undefined) throw invalidField("operation", "is required");
    const field = OperationSchema.fields.find(({ localName }) => localName === operation.case);
    validate(field!.message!, operation.value);
    requireOperation(caller, operation.case, operation.value.userId);
    return toCommand(operation, prices(), caller);
  } catch (thrown) {
    return errorResult(toError(thrown));
  }
}

function isCommand(command: Mutation | Result): command is Mutation {
  return "kind" in command;
}

function resultOf(
  { toError }: OperationServer,
  command: Mutation,
  outcome: Answer | Rejection | Error,
): Result {
  try {
    return answerResult(command.kind, answerOf(command, outcome));
  } catch (thrown) {
    return errorResult(toError(thrown));
  }
}

function answerResult(kind: SetOperation["case"], answer: Answer): Result {
  if (kind === "freeze") return { result: { case: kind, value: toFreezeAnswer(answer) } };
  return { result: { case: kind, value: toMutationAnswer(answer) } };
}

function errorResult(error: ConnectError): Result {
  return { result: { case: "error", value: toStatus(error) } };
}

function toStatus({ code, rawMessage, details }: ConnectError): Status {
  const outgoing = details.filter((detail) => "desc" in detail);
  return create(StatusSchema, {
    code,
    message: rawMessage,
    details: outgoing.map(({ desc, value }) => anyPack(desc, create(desc, value))),
  });
}
