import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import { ErrorReason } from "../../gen/points/v1/error_reason_pb.ts";

type Reason = keyof typeof ErrorReason;
type Outcome = "NOT_APPLIED" | "UNKNOWN";
export type Violation = { field: string; description: string };

/** The content of an error: code, reason, outcome and details. */
export type ErrorContent = {
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

// gRPC sends an error in headers, and clients accept 8 KB of headers by default. The message is in
// them twice: percent-encoded, and with the details in base64. It may quote what the caller sent.
const VIOLATIONS_MAX = 10;
const FIELD_MAX_CHARS = 100;
const MESSAGE_MAX_CHARS = 500;

/** Makes every error that leaves this API: with ErrorInfo, and always with an outcome. */
export function apiError(content: ErrorContent, cause?: unknown): ConnectError {
  const message = cut(content.message, MESSAGE_MAX_CHARS);
  const error = new ConnectError(message, content.code, undefined, undefined, cause);
  addDetails(error, content);
  return error;
}

/** Turns an error that Connect raised into one of this API. Connect sends the same object. */
export function completeError(error: ConnectError, content: ErrorContent): void {
  const { code, message } = content;
  Object.assign(error, { code, rawMessage: cut(message, MESSAGE_MAX_CHARS) });
  addDetails(error, content);
}

function addDetails(error: ConnectError, content: ErrorContent): void {
  error.details = detailsOf(content);
  // gRPC clients retry RESOURCE_EXHAUSTED, but the message would be too large again.
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
      : [{ desc: BadRequestSchema, value: { fieldViolations: violations.map(cutViolation) } }]),
    ...(retryMs === undefined ? [] : [{ desc: RetryInfoSchema, value: { retryDelay } }]),
  ];
}

/** The error for fields that break their limits. */
export function invalidFields(all: readonly Violation[]): ConnectError {
  const violations = all.slice(0, VIOLATIONS_MAX).map(cutViolation);
  const message = violations.map(({ field, description }) => `${field} ${description}`).join("; ");
  return apiError({ code: Code.InvalidArgument, reason: "FIELD_INVALID", message, violations });
}

/** The error for one field that breaks its limits. */
export function invalidField(field: string, description: string): ConnectError {
  return invalidFields([{ field, description }]);
}

const TOO_MUCH = {
  time: { field: "end_time", description: "leaves too much to add up: ask for less time" },
  users: { field: "user_id_prefix", description: "has too many users: ask for fewer" },
  sums: { field: "group_by", description: "makes too many sums: ask for less time, or by less" },
};

/** The sums that are asked for are too much at once. */
export function tooMuchAsked(of: keyof typeof TOO_MUCH): ConnectError {
  const { field, description } = TOO_MUCH[of];
  return apiError({
    code: Code.InvalidArgument,
    reason: "FIELD_INVALID",
    message: `${field} ${description}`,
    metadata: { too_much: of },
    violations: [{ field, description }],
  });
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

/** The account has no entry with that sequence, or of the request with that id. */
export function entryNotFound(name: bigint | string): ConnectError {
  const isId = typeof name === "string";
  return apiError({
    code: Code.NotFound,
    reason: "ENTRY_NOT_FOUND",
    message: `the account has no entry ${isId ? `of request ${name}` : name}`,
    metadata: isId ? { request_id: name } : { sequence: String(name) },
  });
}

/** The page token was not made for this request. */
export function pageTokenInvalid(): ConnectError {
  const message = "page_token is not one of this request's: ask from the start";
  const violations = [{ field: "page_token", description: "is not one of this request's" }];
  const code = Code.InvalidArgument;
  return apiError({ code, reason: "PAGE_TOKEN_INVALID", message, violations });
}

/** What was asked for is read from tables that nobody has built. */
export function notProjected(missing: "projection" | "overview"): ConnectError {
  const message =
    missing === "projection"
      ? "no server has built the index and the sums yet: one with PROJECT=on does"
      : "no scan over all accounts has ended yet: a server with PROJECT=on makes one every hour";
  return notBuilt(message, { missing });
}

/** The index lacks that key of metadata. */
export function keyNotProjected(key: string): ConnectError {
  const mend = 'name it in SEARCH_KEYS, there and where you run "points project --rebuild"';
  const message = `metadata.key ${key} is not in the index: ${mend}`;
  return notBuilt(message, { key });
}

function notBuilt(message: string, metadata: Record<string, string>): ConnectError {
  return apiError({ code: Code.FailedPrecondition, reason: "NOT_PROJECTED", message, metadata });
}

/** The cursor is none that a stream of this ledger has given. */
export function cursorInvalid(): ConnectError {
  const message =
    "cursor is none of this ledger's streams: begin with the last one that you were sent";
  const violations = [{ field: "cursor", description: "is none of this ledger's streams" }];
  const code = Code.InvalidArgument;
  return apiError({ code, reason: "CURSOR_INVALID", message, violations });
}

/** Whether an error is one of this API, and not one that the transport raised. */
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

function cutViolation({ field, description }: Violation): Violation {
  return {
    field: cut(field, FIELD_MAX_CHARS),
    description: cut(description, MESSAGE_MAX_CHARS),
  };
}

function cut(text: string, maxChars: number): string {
  const short = text.length <= maxChars ? text : `${text.slice(0, maxChars - 1)}…`;
  // Half a surrogate pair, from the caller or the cut, cannot be percent-encoded: no answer would
  // go out.
  return short.toWellFormed();
}
