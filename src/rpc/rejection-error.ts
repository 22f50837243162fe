import { Code, type ConnectError } from "@connectrpc/connect";
import type { Answer } from "../ledger/batch.ts";
import type { Command } from "../ledger/command.ts";
import { isRejection, type Rejection } from "../ledger/rejection.ts";
import { sayRepeatsChecked } from "./earlier-attempts.ts";
import { accountNotFound, apiError, entryNotFound, invalidField } from "./errors.ts";

/**
 * The answer that a command came to.
 *
 * @throws what it came to instead
 */
export function answerOf(command: Command, result: Answer | Rejection | Error): Answer {
  if (result instanceof Error) throw result;
  if (!isRejection(result)) return result;
  // The ledger looks at repeats before anything else; who names no request has none.
  const isNamed = command.kind !== "open" && command.request !== undefined;
  throw isNamed ? sayRepeatsChecked(rejectionError(result)) : rejectionError(result);
}

/** The ledger's refusal as an error. */
export function rejectionError(rejection: Rejection): ConnectError {
  const { reason } = rejection;
  switch (reason) {
    case "FIELD_INVALID":
      return invalidField(rejection.field, rejection.description);
    case "ACCOUNT_NOT_FOUND":
      return accountNotFound(rejection.userId);
    case "LOT_NOT_FOUND":
      return apiError({
        code: Code.NotFound,
        reason,
        message: `the account has no lot ${rejection.lot}`,
        metadata: { lot: String(rejection.lot) },
      });
    case "HOLD_NOT_FOUND":
      return apiError({
        code: Code.NotFound,
        reason,
        message: `the account has no hold ${rejection.hold}`,
        metadata: { hold: String(rejection.hold) },
      });
    case "ENTRY_NOT_FOUND":
      return entryNotFound(rejection.sequence);
    case "SERVICE_NOT_PRICED":
      return apiError({
        code: Code.NotFound,
        reason,
        message: `the price list has no service ${rejection.service}`,
        metadata: { service: rejection.service },
      });
    case "REQUEST_ID_REUSED":
      return apiError({
        code: Code.AlreadyExists,
        reason,
        message: `request_id ${rejection.requestId} was used for a different request`,
        metadata: {
          request_id: rejection.requestId,
          ...(rejection.sequence === undefined ? {} : { sequence: String(rejection.sequence) }),
        },
      });
    case "INSUFFICIENT_POINTS":
      return apiError({
        code: Code.FailedPrecondition,
        reason,
        message: `${rejection.required} points are required, the balance is ${rejection.balance}`,
        metadata: {
          balance: String(rejection.balance),
          required: String(rejection.required),
          shortfall: String(rejection.shortfall),
        },
      });
    case "HOLD_CLOSED":
    case "HOLD_EXPIRED":
    case "HOLD_EXCEEDED":
    case "REFUND_EXCEEDS_ENTRY":
    case "ENTRY_NOT_REFUNDABLE":
      return stateError(rejection);
    case "ACCOUNT_FULL":
      return apiError({
        code: Code.FailedPrecondition,
        reason,
        message: `the account has ${rejection.limit} open ${rejection.full}, and may not have more`,
        metadata: { full: rejection.full, limit: String(rejection.limit) },
      });
    case "TOTAL_TOO_LARGE":
      return apiError({
        code: Code.OutOfRange,
        reason,
        message: `${rejection.total} would pass ${rejection.limit}`,
        metadata: { total: rejection.total, limit: String(rejection.limit) },
      });
  }
}

type StateRejection = Extract<
  Rejection,
  {
    reason:
      | "HOLD_CLOSED"
      | "HOLD_EXPIRED"
      | "HOLD_EXCEEDED"
      | "REFUND_EXCEEDS_ENTRY"
      | "ENTRY_NOT_REFUNDABLE";
  }
>;

/** A hold or an entry that is not in a state for this. */
function stateError(rejection: StateRejection): ConnectError {
  const { reason, ...facts } = rejection;
  const metadata = Object.fromEntries(Object.entries(facts).map(([k, v]) => [k, String(v)]));
  return apiError({
    code: Code.FailedPrecondition,
    reason,
    message: stateMessage(rejection),
    metadata,
  });
}

function stateMessage(rejection: StateRejection): string {
  switch (rejection.reason) {
    case "HOLD_CLOSED":
      return `hold ${rejection.hold} was ${rejection.status} before`;
    case "HOLD_EXPIRED":
      return `the time of hold ${rejection.hold} has come, and its points went back`;
    case "HOLD_EXCEEDED":
      return `${rejection.required} points are required, the hold has ${rejection.held}`;
    case "REFUND_EXCEEDS_ENTRY":
      return (
        `${rejection.required} points are to be refunded, ` +
        `entry ${rejection.sequence} has ${rejection.refundable} left`
      );
    case "ENTRY_NOT_REFUNDABLE":
      return `entry ${rejection.sequence} is a ${rejection.kind}: it spent nothing`;
  }
}
