import type { Account } from "./account.ts";
import type { Request } from "./command.ts";
import type { Entry } from "./entry.ts";
import type { Rejection } from "./rejection.ts";

/** A request that was applied before, and its first answer. */
export type Remembered = {
  readonly request: Request;
  /** Undefined if it succeeded without an entry. */
  readonly entry: Entry | undefined;
  /** The account as it was then. */
  readonly account: Account;
};

/** Joins a user's id and a request's into one key: neither has a space in it. */
export function requestKey(userId: string, requestId: string): string {
  return `${userId} ${requestId}`;
}

/** The first answer again, or the refusal of an id that was used for another request. */
export function repeatOf(request: Request, first: Remembered): Remembered | Rejection {
  if (Buffer.compare(request.fingerprint, first.request.fingerprint) === 0) return first;
  const sequence = first.entry?.sequence;
  return { reason: "REQUEST_ID_REUSED", requestId: request.id, sequence };
}
