import {
  clone,
  create,
  type DescMessage,
  isMessage,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { ApplyBatchRequestSchema } from "../../gen/points/v1/points_pb.ts";

/**
 * The request as it is sent, and sent again: with a random `request_id` where it is a mutation that
 * names none, or a batch with such operations. What the caller gave is left as it was.
 */
export function withRequestIds<I extends DescMessage>(
  schema: I,
  input: MessageInitShape<I>,
): MessageInitShape<I> {
  // create() gives back a message that is one already.
  const request = clone(schema, create(schema, input));
  for (const named of namedIn(request)) named.requestId ||= crypto.randomUUID();
  return request;
}

/** Remembers with which ids a request was sent that came to this answer, or to this error. */
export function rememberRequestIds(outcome: unknown, request: object): void {
  if (typeof outcome !== "object" || outcome === null) return;
  idsOf.set(
    outcome,
    namedIn(request).map(({ requestId }) => requestId),
  );
}

/**
 * The request ids that a call was sent with, those that were made for it among them: to find out
 * with the same id what became of a call whose outcome is UNKNOWN.
 *
 * @param outcome the answer that a call of this client gave, or the error that it threw: the object
 * itself, no copy
 * @returns one id for a mutation; for a batch one an operation, in their order; none for a read
 */
export function requestIdsOf(outcome: unknown): readonly string[] {
  return (typeof outcome === "object" && outcome !== null && idsOf.get(outcome)) || [];
}

const idsOf = new WeakMap<object, readonly string[]>();

type Named = { requestId: string };

/** The mutations in a request: itself, or the operations of a batch. */
function namedIn(request: object): readonly Named[] {
  if (!isMessage(request, ApplyBatchRequestSchema)) return isNamed(request) ? [request] : [];
  return request.operations.map(({ operation }) => {
    // One that is none is refused.
    return operation.value ?? { requestId: "" };
  });
}

function isNamed(request: object): request is Named {
  return "requestId" in request && typeof request.requestId === "string";
}
