import { clone, create, type DescMessage, isMessage, type MessageInitShape } from "@bufbuild/protobuf";
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
  if (isMessage(request, ApplyBatchRequestSchema)) {
    for (const { operation } of request.operations) nameIfMutation(operation.value);
  } else {
    nameIfMutation(request);
  }
  return request;
}

function nameIfMutation(request: object | undefined): void {
  if (request !== undefined && "requestId" in request && request.requestId === "") {
    request.requestId = crypto.randomUUID();
  }
}
