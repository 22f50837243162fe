import { Code, type ConnectError } from "@connectrpc/connect";
import { accountNotFound, apiError, entryNotFound, invalidField } from "../errors/api-error.ts";
import type { Answered } from "../commit/commit.ts";
import type { Command } from "../ledger/command.ts";
import { isRejection, type Rejection } from "../ledger/rejection.ts";
import type { Micros } from "../ledger/time.ts";
import { sayRepeatsChecked } from "./earlier-attempts.ts";
import { toRfc3339 } from "./timestamps.ts";

/**
 * Gives the answer of a command.
 *
 * @throws {ConnectError} if the ledger rejected the command
 * @throws the error that the command failed with
 */
export function answerOf(command: Command, result: Answered | Rejection | Error): Answered {
  if (result instanceof Error) throw result;
  if (!isRejection(result)) return result;
  // The ledger checks idempotency first, if the request has an id.
  const isNamed = command.kind !== "open" && command.request !== undefined;
  throw isNamed ? sayRepeatsChecked(rejectionError(result)) : rejectionError(result);
}

/** Translates a rejection of the ledger into an error. Its facts become the error's metadata. */
export function rejectionError(rejection: Rejection): ConnectError {
  switch (rejection.reason) {
    case "FIELD_INVALID":
      return invalidField(rejection.field, rejection.description);
    case "ACCOUNT_NOT_FOUND":
      return accountNotFound(rejection.userId);
    case "ENTRY_NOT_FOUND":
      return entryNotFound(rejection.sequence);
    default: {
      const { reason, ...facts } = rejection;
      const known = Object.entries(facts).filter(([, fact]) => fact !== undefined);
      const metadata = Object.fromEntries(
        known.map(([key, fact]) => [
          nameOf(key),
          key === "resetsTime" ? toRfc3339(fact as Micros) : `${fact}`,
        ]),
      );
      return apiError({ code: CODES[reason], reason, message: messageOf(rejection), metadata });
    }
  }
}

type OtherRejection = Exclude<
  Rejection,
  { readonly reason: "FIELD_INVALID" | "ACCOUNT_NOT_FOUND" | "ENTRY_NOT_FOUND" }
>;

const CODES: Record<OtherRejection["reason"], Code> = {
  LOT_NOT_FOUND: Code.NotFound,
  HOLD_NOT_FOUND: Code.NotFound,
  ENTRY_CHANGED: Code.FailedPrecondition,
  SERVICE_NOT_PRICED: Code.NotFound,
  PERMISSION_DENIED: Code.PermissionDenied,
  REQUEST_ID_REUSED: Code.AlreadyExists,
  INSUFFICIENT_POINTS: Code.FailedPrecondition,
  LIMIT_EXCEEDED: Code.FailedPrecondition,
  HOLD_CLOSED: Code.FailedPrecondition,
  HOLD_EXPIRED: Code.FailedPrecondition,
  HOLD_EXCEEDED: Code.FailedPrecondition,
  REVOKE_EXCEEDS_LOT: Code.FailedPrecondition,
  REFUND_EXCEEDS_ENTRY: Code.FailedPrecondition,
  ENTRY_NOT_REFUNDABLE: Code.FailedPrecondition,
  ACCOUNT_FULL: Code.FailedPrecondition,
  POLICY_NOT_FOUND: Code.NotFound,
  TOTAL_TOO_LARGE: Code.OutOfRange,
};

function messageOf(rejection: OtherRejection): string {
  switch (rejection.reason) {
    case "LOT_NOT_FOUND":
      return `the account has no lot ${rejection.lot}`;
    case "HOLD_NOT_FOUND":
      return `the account has no hold ${rejection.hold}`;
    case "ENTRY_CHANGED":
      return `entry ${rejection.sequence} is not the one that is meant: its hash is ${rejection.hash}`;
    case "SERVICE_NOT_PRICED":
      return `the price list has no service ${rejection.service}`;
    case "PERMISSION_DENIED": {
      const { required, maxPoints } = rejection;
      return `${required} points are required, the caller may move ${maxPoints}`;
    }
    case "REQUEST_ID_REUSED":
      return `request_id ${rejection.requestId} was used for a different request`;
    case "INSUFFICIENT_POINTS":
      return insufficientText(rejection);
    case "LIMIT_EXCEEDED": {
      const { required, limit, spent, points } = rejection;
      return `${required} points are required, and ${spent} of ${points} of limit ${limit} are spent`;
    }
    case "HOLD_CLOSED":
      return `hold ${rejection.hold} was ${rejection.status} before`;
    case "HOLD_EXPIRED":
      return `the time of hold ${rejection.hold} has come, and its points went back`;
    case "HOLD_EXCEEDED":
      return (
        `${rejection.required} points are required, the hold has ${rejection.held}: ` +
        "on_shortfall lets the balance pay the rest"
      );
    case "REFUND_EXCEEDS_ENTRY":
      return (
        `${rejection.required} points are to be refunded, ` +
        `entry ${rejection.sequence} has ${rejection.refundable} left`
      );
    case "REVOKE_EXCEEDS_LOT":
      if (rejection.revocable === 0n) return `all of lot ${rejection.lot} was revoked before`;
      return (
        `${rejection.required} points are to be revoked, ` +
        `lot ${rejection.lot} has ${rejection.revocable} left`
      );
    case "ENTRY_NOT_REFUNDABLE":
      if (rejection.kind !== "revoke") {
        return `entry ${rejection.sequence} is a ${rejection.kind}, which cannot be refunded`;
      }
      return `a claim took entry ${rejection.sequence}: refund the entry that claims`;
    case "ACCOUNT_FULL":
      return `the account has ${rejection.limit} ${FULL[rejection.full]}, and may not have more`;
    case "POLICY_NOT_FOUND":
      return `the account has no policy ${rejection.name}`;
    case "TOTAL_TOO_LARGE":
      return `${rejection.total} would pass ${rejection.limit}`;
  }
}

const FULL = { lots: "open lots", holds: "open holds", policies: "policies" };

function insufficientText(facts: Extract<Rejection, { reason: "INSUFFICIENT_POINTS" }>): string {
  const { required, balance, usable, shortfall } = facts;
  const credit = required - usable - shortfall;
  const more = credit === 0n ? "" : `; ${credit} more may be owed`;
  const some = usable === balance ? "" : `, and of that ${usable} may be used for this`;
  return `${required} points are required, the balance is ${balance}${some}${more}`;
}

/** The contract's name of a fact: what the ledger calls a hold's status is its state there. */
function nameOf(key: string): string {
  return key === "status" ? "state" : inSnakeCase(key);
}

function inSnakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
