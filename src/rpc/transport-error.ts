import { isFieldError } from "@bufbuild/protobuf/reflect";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  apiError,
  completeError,
  type ErrorContent,
  isComplete,
  type Violation,
} from "../errors/api-error.ts";
import { JsonInvalid } from "./strict-json.ts";

// The one place where English words of Connect or protobuf-es are recognized: they give no code or
// class for these errors. Checked with @connectrpc/connect and connect-node 2.2.0 and
// @bufbuild/protobuf 2.17.0. test/rpc/transport-error.test.ts makes each error by the library, and
// fails if a new version says it in other words.

/** Connect: bytes are no message, or not compressed as they say. */
const UNREADABLE = /^(parse binary|decompression failed$)/;
/** Connect: a frame is marked as compressed, and no header names the encoding. */
const COMPRESSED_WITHOUT_ENCODING = /^received compressed envelope/;
/** Connect: an answer is too large to be sent. A request that is too large names readMaxBytes. */
const ANSWER_TOO_LARGE = /writeMaxBytes/;
/** protobuf-es: a JSON object has a member twice. */
const DOUBLED_MEMBER = /duplicate object key "(.*)"$/s;

/**
 * Makes an error that Connect raised before any handler ran one of this API: a message that cannot
 * be read or is too large, a deadline that cannot be parsed. Connect calls an unreadable message
 * INTERNAL, but it is the caller's fault. Refusals of other services, such as Health's of a service
 * that it does not know, stay without a reason.
 */
export function completeTransportError(error: ConnectError): void {
  if (isComplete(error)) return;
  const content = transportErrorContent(error);
  if (content !== undefined) completeError(error, content);
}

/**
 * The error for an answer that is too large to be sent, in Connect's words. The request may have
 * been applied.
 */
export function answerTooLarge(bytes: number, maxBytes: number): ConnectError {
  const message = `message size ${bytes} is larger than configured writeMaxBytes ${maxBytes}`;
  const code = Code.ResourceExhausted;
  return apiError({ code, reason: "MESSAGE_TOO_LARGE", message, outcome: "UNKNOWN" });
}

/** Undefined if the code says everything. */
function transportErrorContent(error: ConnectError): ErrorContent | undefined {
  const { code } = error;
  const message = error.rawMessage;
  if (code === Code.Internal && UNREADABLE.test(message)) {
    return { code: Code.InvalidArgument, reason: "FIELD_INVALID", message };
  }
  // gRPC prescribes INTERNAL here, though it is the caller's fault.
  if (code === Code.Internal && COMPRESSED_WITHOUT_ENCODING.test(message)) {
    return { code, reason: "FIELD_INVALID", message };
  }
  switch (code) {
    case Code.InvalidArgument: {
      const violation = unreadableField(error.cause);
      const violations = violation === undefined ? [] : [violation];
      return { code, reason: "FIELD_INVALID", message, violations };
    }
    case Code.ResourceExhausted: {
      const outcome = ANSWER_TOO_LARGE.test(message) ? "UNKNOWN" : "NOT_APPLIED";
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
    const [, doubled] = DOUBLED_MEMBER.exec(at.message) ?? [];
    if (doubled !== undefined) return { field: doubled, description };
  }
  return undefined;
}
