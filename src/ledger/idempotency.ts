import type { Account } from "./account.ts";
import type { Command, RecordedRequest, Request } from "./command.ts";
import { fingerprintOf } from "./digests.ts";
import type { Entry } from "./entry.ts";
import type { Rejection } from "./rejection.ts";

/** Idempotency: a request that was applied before, and its first answer. */
export type AnsweredRequest = {
  readonly request: RecordedRequest;
  /** Undefined if it succeeded without an entry. */
  readonly entry: Entry | undefined;
  /** The account as it was answered then. */
  readonly account: Account;
};

/** The id that a command's caller gave it; undefined: none, or it is a GetOrCreate. */
export function requestOf(command: Command): Request | undefined {
  return command.kind === "open" ? undefined : command.request;
}

/** The idempotency key: a user's id and a request's id, neither of which has a space in it. */
export function idempotencyKey(userId: string, requestId: string): string {
  return `${userId} ${requestId}`;
}

/** Answers a repeat with the first answer, or refuses an id that another request has used. */
export function answerRepeat(
  request: Request,
  first: AnsweredRequest,
): AnsweredRequest | Rejection {
  const fingerprint = fingerprintOf(first.account.salt, request);
  if (Buffer.compare(fingerprint, first.request.fingerprint) === 0) return first;
  const sequence = first.entry?.sequence;
  return { reason: "REQUEST_ID_REUSED", requestId: request.id, sequence };
}
