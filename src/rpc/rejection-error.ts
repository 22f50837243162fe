import { Code, type ConnectError } from "@connectrpc/connect";
import { accountNotFound, apiError, entryNotFound, invalidField } from "../errors/api-error.ts";
import type { Answer } from "../ledger/batch.ts";
import type { Command } from "../ledger/command.ts";
import { isRejection, type Rejection } from "../ledger/rejection.ts";
import { sayRepeatsChecked } from "./earlier-attempts.ts";

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
    case "LOT_NOT_FOUND": {
      const { lot } = rejection;
      return told(Code.NotFound, reason, `the account has no lot ${lot}`, { lot });
    }
    case "HOLD_NOT_FOUND": {
      const { hold } = rejection;
      return told(Code.NotFound, reason, `the account has no hold ${hold}`, { hold });
    }
    case "ENTRY_NOT_FOUND":
      return entryNotFound(rejection.sequence);
    case "SERVICE_NOT_PRICED": {
      const { service } = rejection;
      return told(Code.NotFound, reason, `the price list has no service ${service}`, { service });
    }
    case "PERMISSION_DENIED": {
      const { maxPoints: max_points, required } = rejection;
      const message = `${required} points are required, the caller may move ${max_points}`;
      return told(Code.PermissionDenied, reason, message, { max_points, required });
    }
    case "REQUEST_ID_REUSED": {
      const { requestId: request_id, sequence } = rejection;
      const message = `request_id ${request_id} was used for a different request`;
      const made = sequence === undefined ? {} : { sequence };
      return told(Code.AlreadyExists, reason, message, { request_id, ...made });
    }
    case "INSUFFICIENT_POINTS": {
      const { balance, required, shortfall } = rejection;
      const message = `${required} points are required, the balance is ${balance}`;
      return told(Code.FailedPrecondition, reason, message, { balance, required, shortfall });
    }
    case "HOLD_CLOSED": {
      const { hold, status: state } = rejection;
      return told(Code.FailedPrecondition, reason, `hold ${hold} was ${state} before`, {
        hold,
        state,
      });
    }
    case "HOLD_EXPIRED":
    case "HOLD_EXCEEDED":
    case "REFUND_EXCEEDS_ENTRY":
    case "ENTRY_NOT_REFUNDABLE":
    case "ACCOUNT_FULL": {
      const { reason: _, ...facts } = rejection;
      return told(Code.FailedPrecondition, reason, stateMessage(rejection), facts);
    }
    case "TOTAL_TOO_LARGE": {
      const { total, limit } = rejection;
      return told(Code.OutOfRange, reason, `${total} would pass ${limit}`, { total, limit });
    }
  }
}

/** An error with these facts in its metadata. */
function told(
  code: Code,
  reason: Rejection["reason"],
  message: string,
  facts: Readonly<Record<string, string | number | bigint>>,
): ConnectError {
  const metadata = Object.fromEntries(Object.entries(facts).map(([k, v]) => [k, String(v)]));
  return apiError({ code, reason, message, metadata });
}

type StateRejection = Extract<
  Rejection,
  {
    reason:
      | "HOLD_EXPIRED"
      | "HOLD_EXCEEDED"
      | "REFUND_EXCEEDS_ENTRY"
      | "ENTRY_NOT_REFUNDABLE"
      | "ACCOUNT_FULL";
  }
>;

function stateMessage(rejection: StateRejection): string {
  switch (rejection.reason) {
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
    case "ACCOUNT_FULL":
      return `the account has ${rejection.limit} open ${rejection.full}, and may not have more`;
  }
}
