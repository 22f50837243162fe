import {
  clone,
  create,
  type DescMessage,
  isMessage,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { ApplyBatchRequestSchema } from "../../gen/points/v1/points_pb.ts";

// Idempotency keys: every mutation has a request id before its first attempt.

/**
 * Copies a request for all of its attempts, and gives a random `request_id` to each mutation without
 * one: the request itself, or the operations of a batch. The caller's object stays as it is.
 */
export function withRequestIds<I extends DescMessage>(
  schema: I,
  input: MessageInitShape<I>,
): MessageInitShape<I> {
  // create() returns its input where that is a message already, so clone it.
  const request = clone(schema, create(schema, input));
  for (const mutation of mutationsIn(request)) mutation.requestId ||= crypto.randomUUID();
  return request;
}

/** Stores the request ids of a request under its answer, or under the error that it ended in. */
export function rememberRequestIds(outcome: unknown, request: object): void {
  if (typeof outcome !== "object" || outcome === null) return;
  idsOf.set(
    outcome,
    mutationsIn(request).map(({ requestId }) => requestId),
  );
}

/**
 * The request ids that a call was sent with, including those that the client made. Repeat a call
 * whose outcome is UNKNOWN with the same id to find out whether it was applied.
 *
 * @param outcome the answer or the error of a call of this client: the object itself, not a copy
 * @returns one id for a mutation; for a batch one per operation, in order; none for a read
 */
export function requestIdsOf(outcome: unknown): readonly string[] {
  return (typeof outcome === "object" && outcome !== null && idsOf.get(outcome)) || [];
}

const idsOf = new WeakMap<object, readonly string[]>();

type Mutation = { requestId: string };

/** The mutations of a request: itself, or the operations of a batch. */
function mutationsIn(request: object): readonly Mutation[] {
  if (!isMessage(request, ApplyBatchRequestSchema)) return isMutation(request) ? [request] : [];
  return request.operations.map(({ operation }) => {
    // The server refuses an operation that is not set.
    return operation.value ?? { requestId: "" };
  });
}

function isMutation(request: object): request is Mutation {
  return "requestId" in request && typeof request.requestId === "string";
}
