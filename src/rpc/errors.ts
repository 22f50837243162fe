import { randomUUID } from "node:crypto";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { isFieldError } from "@bufbuild/protobuf/reflect";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import { ErrorReason } from "../../gen/points/v1/error_reason_pb.ts";
import { Abandoned, Draining, QueueFull } from "../commit/batcher.ts";
import { CommandFailed, DatabaseUnavailable } from "../commit/commit.ts";
import { isUnavailable } from "../store/faults.ts";

type Reason = keyof typeof ErrorReason;
type Outcome = "NOT_APPLIED" | "UNKNOWN";
type Violation = { field: string; description: string };

type ErrorContent = {
  readonly code: Code;
  readonly reason: Reason;
  readonly message: string;
  /** NOT_APPLIED if left out. */
  readonly outcome?: Outcome;
  readonly metadata?: Record<string, string>;
  readonly violations?: readonly Violation[];
  readonly retryMs?: number;
};

const DOMAIN = "points.v1";
const RETRY_MS = 200;

// gRPC sends an error as headers, of which clients take 8 KB by default: the message in
// percent-encoding and once more, with the details, in base64. What a caller sent may be in it.
const VIOLATIONS_MAX = 10;
const FIELD_MAX_CHARS = 100;
const MESSAGE_MAX_CHARS = 500;

function cut(text: string, maxChars: number): string {
  const short = text.length <= maxChars ? text : `${text.slice(0, maxChars - 1)}…`;
  // Half a surrogate pair, the caller's or the cut's, has no percent-encoding: nobody would answer.
  return short.toWellFormed();
}

/** The one way to make an error of this API: with ErrorInfo, and always with an outcome. */
export function apiError(content: ErrorContent, cause?: unknown): ConnectError {
  const message = cut(content.message, MESSAGE_MAX_CHARS);
  const error = new ConnectError(message, content.code, undefined, undefined, cause);
  complete(error, content);
  return error;
}

function complete(error: ConnectError, content: ErrorContent): void {
  error.details = detailsOf(content);
  // Clients of gRPC retry RESOURCE_EXHAUSTED, and this would be too large again.
  if (content.reason === "MESSAGE_TOO_LARGE") error.metadata.set("grpc-retry-pushback-ms", "-1");
}

function detailsOf(content: ErrorContent): ConnectError["details"] {
  const { reason, outcome = "NOT_APPLIED", metadata = {}, violations = [], retryMs } = content;
  const info = { domain: DOMAIN, reason, metadata: { ...metadata, outcome } };
  const retryDelay = durationFromMs(retryMs ?? 0);
  return [
    { desc: ErrorInfoSchema, value: info },
    ...(violations.length === 0
      ? []
      : [{ desc: BadRequestSchema, value: { fieldViolations: [...violations] } }]),
    ...(retryMs === undefined ? [] : [{ desc: RetryInfoSchema, value: { retryDelay } }]),
  ];
}

/** A request with fields that break their limits. */
export function invalidFields(all: readonly Violation[]): ConnectError {
  const violations = all.slice(0, VIOLATIONS_MAX).map(({ field, description }) => ({
    field: cut(field, FIELD_MAX_CHARS),
    description: cut(description, MESSAGE_MAX_CHARS),
  }));
  const message = violations.map(({ field, description }) => `${field} ${description}`).join("; ");
  return apiError({ code: Code.InvalidArgument, reason: "FIELD_INVALID", message, violations });
}

/** A request with one field that breaks its limits. */
export function invalidField(field: string, description: string): ConnectError {
  return invalidFields([{ field, description }]);
}

/** The user has no account. */
export function accountNotFound(userId: string): ConnectError {
  return apiError({
    code: Code.NotFound,
    reason: "ACCOUNT_NOT_FOUND",
    message: `user ${userId} has no account`,
    metadata: { user_id: userId },
  });
}

/** The account has no entry of that number. */
export function entryNotFound(sequence: bigint): ConnectError {
  return apiError({
    code: Code.NotFound,
    reason: "ENTRY_NOT_FOUND",
    message: `the account has no entry ${sequence}`,
    metadata: { sequence: String(sequence) },
  });
}

/** An answer that the server does not send: what was asked for may well be done. */
export function answerTooLarge(bytes: number, maxBytes: number): ConnectError {
  const message = `message size ${bytes} is larger than configured writeMaxBytes ${maxBytes}`;
  const error = new ConnectError(message, Code.ResourceExhausted);
  completeTransportError(error);
  return error;
}

/** A page token that is not one of this request's. */
export function pageTokenInvalid(): ConnectError {
  const message = "page_token is not one of this request's: ask from the start";
  const violations = [{ field: "page_token", description: "is not one of this request's" }];
  const code = Code.InvalidArgument;
  return apiError({ code, reason: "PAGE_TOKEN_INVALID", message, violations });
}

/**
 * What was thrown on the way, as an error of this API. A bug becomes INTERNAL with an id and
 * nothing else; `report` gets the id and the bug, for the log.
 */
export function thrownError(
  thrown: unknown,
  report: (errorId: string, bug: unknown) => void,
): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  if (thrown instanceof QueueFull) {
    const { message } = thrown;
    const code = Code.ResourceExhausted;
    return apiError({ code, reason: "OVERLOADED", message, retryMs: RETRY_MS });
  }
  if (thrown instanceof Draining) {
    const { message } = thrown;
    const code = Code.Unavailable;
    return apiError({ code, reason: "SHUTTING_DOWN", message, retryMs: RETRY_MS });
  }
  if (thrown instanceof DatabaseUnavailable) {
    // Its batch, of which this is one of many, has said so.
    const { message, outcome } = thrown;
    const reason = "DATABASE_UNAVAILABLE";
    return apiError({ code: Code.Unavailable, reason, message, outcome, retryMs: RETRY_MS });
  }
  if (thrown instanceof Abandoned) return abandonedError(thrown);
  // A read: a batch would say so itself.
  if (isUnavailable(thrown)) {
    return thrownError(new DatabaseUnavailable("NOT_APPLIED", thrown), report);
  }
  const isRolledBack = thrown instanceof CommandFailed;
  const errorId = randomUUID();
  report(errorId, isRolledBack ? thrown.cause : thrown);
  return apiError({
    code: Code.Internal,
    reason: "INTERNAL",
    message: `internal error ${errorId}`,
    outcome: isRolledBack ? "NOT_APPLIED" : "UNKNOWN",
    metadata: { error_id: errorId },
  });
}

function abandonedError({ dropped, cause }: Abandoned): ConnectError {
  const outcome = dropped ? "NOT_APPLIED" : "UNKNOWN";
  const late = cause instanceof ConnectError && cause.code === Code.DeadlineExceeded;
  return late
    ? apiError({
        code: Code.DeadlineExceeded,
        reason: "DEADLINE_EXCEEDED",
        message: "the deadline passed",
        outcome,
      })
    : apiError({
        code: Code.Canceled,
        reason: "CANCELLED",
        message: "the caller went away",
        outcome,
      });
}

/**
 * Completes an error that the transport raised before any handler ran: a message that cannot be
 * read, that is too large, a deadline that cannot be parsed. Connect calls INTERNAL what it cannot
 * read, but it is the caller who sent it.
 */
export function completeTransportError(error: ConnectError): void {
  if (isComplete(error)) return;
  const content = transportErrorContent(error);
  Object.assign(error, { code: content.code, rawMessage: content.message });
  complete(error, content);
}

/** Whether it is an error of this API; one of the transport has yet to become one. */
export function isComplete(error: ConnectError): boolean {
  return error.details.length > 0;
}

/** The reason of an error of this API. */
export function reasonOf(error: ConnectError): string {
  return outgoingInfo(error)?.reason ?? "UNKNOWN";
}

/** The ErrorInfo that an error of this API is sent with; undefined if it has none. */
export function outgoingInfo(error: ConnectError): OutgoingInfo | undefined {
  for (const detail of error.details) {
    if ("desc" in detail && detail.desc.typeName === ErrorInfoSchema.typeName) {
      return detail.value as OutgoingInfo;
    }
  }
  return undefined;
}

type OutgoingInfo = { readonly reason: Reason; readonly metadata: Record<string, string> };

const UNREADABLE = /^(parse binary|decompression failed$|received compressed envelope)/;

function transportErrorContent(error: ConnectError): ErrorContent {
  const { code } = error;
  const message = cut(error.rawMessage, MESSAGE_MAX_CHARS);
  if (code === Code.Internal && UNREADABLE.test(message)) {
    return { code: Code.InvalidArgument, reason: "FIELD_INVALID", message };
  }
  switch (code) {
    case Code.InvalidArgument: {
      const field = unreadableField(error.cause);
      const violations = field === undefined ? [] : [{ field, description: message }];
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
    default:
      return { code, reason: "INTERNAL", message, outcome: "UNKNOWN" };
  }
}

function unreadableField(cause: unknown): string | undefined {
  for (let at = cause; at instanceof Error; at = at.cause) {
    if (isFieldError(at)) return at.field().name;
  }
  return undefined;
}
