import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Status } from "../../gen/google/rpc/status_pb.ts";
import type { OperationResult } from "../../gen/points/v1/points_pb.ts";
import { refusalOf } from "./refusal.ts";
import { isUnanswered } from "./unanswered.ts";

/** What the RPC of an operation answers, or the error that it throws. */
export function answerOf(result: OperationResult | undefined): Message | ConnectError {
  const answer = result?.result;
  if (answer?.case === "error") return errorOf(answer.value);
  return answer?.value ?? new ConnectError("the answer lacks a result", Code.Internal);
}

/** Copies an error that the calls of a batch share: `withRetries` changes that of each call. */
export function copyOf(error: unknown): unknown {
  if (!(error instanceof ConnectError)) return error;
  const { rawMessage, code, metadata, details, cause } = error;
  const copy = new ConnectError(rawMessage, code, metadata, undefined, cause);
  copy.details = [...details];
  return copy;
}

/**
 * Whether smaller batches may pass. The limits of proxies and of the client's own transport come
 * without details, and so does a connection that a server ends with ENHANCE_YOUR_CALM: that is none.
 */
export function isTooLarge(error: unknown): boolean {
  if (!(error instanceof ConnectError) || error.code !== Code.ResourceExhausted) return false;
  if (error.details.length > 0) return refusalOf(error)?.reason === "MESSAGE_TOO_LARGE";
  return !isUnanswered(error);
}

/**
 * Whether each call has an answer of its own, by its own RPC: the error is about ApplyBatch, or the
 * transport reads JSON without the types of error details (@bufbuild/protobuf 2.17 words it so).
 */
export function isOfBatchAlone(error: unknown): boolean {
  if (!(error instanceof ConnectError)) return false;
  const { code, rawMessage } = error;
  const isUnreadable = rawMessage.endsWith("is not in the type registry");
  return isUnreadable || code === Code.PermissionDenied || code === Code.Unimplemented;
}

function errorOf({ code, message, details }: Status): ConnectError {
  const name = Code[code] as keyof typeof Code | undefined;
  const error = new ConnectError(message, name === undefined ? Code.Unknown : Code[name]);
  error.details = details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value: new Uint8Array(value),
  }));
  return error;
}
