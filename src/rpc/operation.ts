import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import type { ConnectError, HandlerContext } from "@connectrpc/connect";
import { type Status, StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import {
  type Operation,
  type OperationResultSchema,
  OperationSchema,
} from "../../gen/points/v1/points_pb.ts";
import type { Caller } from "../auth/caller.ts";
import type { RateLimiter } from "../auth/rate-limit.ts";
import { requireOperation } from "../auth/rules.ts";
import type { Submit } from "../commit/group-commit.ts";
import { invalidField } from "../errors/api-error.ts";
import type { Answered } from "../commit/commit.ts";
import type { Mutation } from "../ledger/command.ts";
import type { Rejection } from "../ledger/rejection.ts";
import { toExtendHoldAnswer, toFreezeAnswer, toMutationAnswer } from "./answers.ts";
import { toCommand } from "./commands.ts";
import { PREVIOUS_ATTEMPTS, speakForAttempts } from "./earlier-attempts.ts";
import type { Prices } from "./price-file.ts";
import { answerOf } from "./rejection-error.ts";
import { validate } from "./validate.ts";

/** What an operation of a batch or a stream needs of the server. */
export type OperationServer = {
  readonly submit: Submit;
  /** The price lists of the server. */
  readonly prices: () => Prices;
  /** Whether the queue would take an operation now. */
  readonly hasRoom: () => boolean;
  /** Counts the operations of callers. */
  readonly rate: RateLimiter;
  /** Fires when the server stops: streams then answer what they have read, and end. */
  readonly stopping: AbortSignal;
  /** Translates any error into one of this API. */
  readonly toError: (thrown: unknown) => ConnectError;
};

/** The result of one operation: an answer, or the error that its own RPC would have had. */
export type Result = MessageInitShape<typeof OperationResultSchema>;

/**
 * Validates, authorizes and translates an operation, as its own RPC would be.
 *
 * @returns the command, or at once the result that says what is wrong with the operation
 */
export function commandOf(
  server: OperationServer,
  { operation }: Operation,
  caller: Caller,
): Mutation | Result {
  try {
    if (operation.case === undefined) throw invalidField("operation", "is required");
    const field = OperationSchema.fields.find(({ localName }) => localName === operation.case);
    validate(field!.message!, operation.value);
    requireOperation(caller, operation.case, operation.value.userId);
    return toCommand(operation, server, caller);
  } catch (thrown) {
    return errorResult(server.toError(thrown));
  }
}

/** Whether {@link commandOf} made a command. */
export function isCommand(command: Mutation | Result): command is Mutation {
  return "kind" in command;
}

/** Translates what a command came to. */
export function resultOf(
  { toError }: OperationServer,
  command: Mutation,
  outcome: Answered | Rejection | Error,
): Result {
  try {
    const answer = answerOf(command, outcome);
    const { kind } = command;
    if (kind === "freeze") return { result: { case: kind, value: toFreezeAnswer(answer) } };
    if (kind === "extendHold") return { result: { case: kind, value: toExtendHoldAnswer(answer) } };
    return { result: { case: kind, value: toMutationAnswer(answer) } };
  } catch (thrown) {
    return errorResult(toError(thrown));
  }
}

/** The result of an operation that failed. */
export function errorResult(error: ConnectError): Result {
  return { result: { case: "error", value: toStatus(error) } };
}

/** The same server, with refusals that are true of the call's earlier attempts too. */
export function speakingForAttempts(
  server: OperationServer,
  context: HandlerContext,
): OperationServer {
  const toError = (thrown: unknown) => {
    const error = server.toError(thrown);
    // The fast path makes the headers only when they are asked for, and few calls ask.
    speakForAttempts(error, context.method, context.requestHeader.get(PREVIOUS_ATTEMPTS));
    return error;
  };
  return { ...server, toError };
}

function toStatus({ code, rawMessage, details }: ConnectError): Status {
  const outgoing = details.filter((detail) => "desc" in detail);
  return create(StatusSchema, {
    code,
    message: rawMessage,
    details: outgoing.map(({ desc, value }) => anyPack(desc, create(desc, value))),
  });
}
