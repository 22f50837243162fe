import { isFieldError } from "@bufbuild/protobuf/reflect";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  completeError,
  type ErrorContent,
  isComplete,
  type Violation,
} from "../errors/api-error.ts";
import { JsonInvalid } from "./strict-json.ts";

/**
 * Completes an error that the transport raised before any handler ran: a message that cannot be
 * read, that is too large, a deadline that cannot be parsed. Connect calls INTERNAL what it cannot
 * read, but it is the caller who sent it. What a service that is not ours refuses, such as the
 * health of a service that there is not, stays without a reason.
 */
export function completeTransportError(error: ConnectError): void {
  if (isComplete(error)) return;
  const content = transportErrorContent(error);
  if (content !== undefined) completeError(error, content);
}

/** An answer that the server does not send: what was asked for may well be done. */
export function answerTooLarge(bytes: number, maxBytes: number): ConnectError {
  const message = `message size ${bytes} is larger than configured writeMaxBytes ${maxBytes}`;
  const error = new ConnectError(message, Code.ResourceExhausted);
  completeTransportError(error);
  return error;
}

const UNREADABLE = /^(parse binary|decompression failed$)/;
const COMPRESSED_UNTOLD = /^received compressed envelope/;

/** Undefined if the code says all that there is to say. */
function transportErrorContent(error: ConnectError): ErrorContent | undefined {
  const { code } = error;
  const message = error.rawMessage;
  if (code === Code.Internal && UNREADABLE.test(message)) {
    return { code: Code.InvalidArgument, reason: "FIELD_INVALID", message };
  }
  // gRPC prescribes the code. It is the caller's fault even so.
  if (code === Code.Internal && COMPRESSED_UNTOLD.test(message)) {
    return { code, reason: "FIELD_INVALID", message };
  }
  switch (code) {
    case Code.InvalidArgument: {
      const violation = unreadableField(error.cause);
      const violations = violation === undefined ? [] : [violation];
      return { code, reason: "FIELD_INVALID", message, violations };
    }
    case Code.ResourceExhausted: {
      // Connect's own words for what is too large to be sent.
      const outcome = message.includes("writeMaxBytes") ? "UNKNOWN" : "NOT_APPLIED";
      return { code, reason: "MESSAGE_TOO_LARGE", message, outcome };
    }
    case Code.DeadlineExceeded:
      return { code, reason: "DEADLINE_EXCEEDED", message };
    case Code.Canceled:
    case Code.Aborted:
      return { code, reason: "CANCELLED", message };
    case Code.Unimplemented:
      return { code, reason: "UNIMPLEMENTED", message };
    case Code.Internal:
    case Code.Unknown:
      return { code, reason: "INTERNAL", message, outcome: "UNKNOWN" };
    default:
      return undefined;
  }
}

function unreadableField(cause: unknown): Violation | undefined {
  for (let at = cause; at instanceof Error; at = at.cause) {
    if (at instanceof JsonInvalid && at.field !== "") {
      return { field: at.field, description: at.description };
    }
    const description = at.message;
    if (isFieldError(at)) return { field: at.field().name, description };
    const [, doubled] = DOUBLED.exec(at.message) ?? [];
    if (doubled !== undefined) return { field: doubled, description };
  }
  return undefined;
}

// How protobuf-es says so.
const DOUBLED = /duplicate object key "(.*)"$/s;
