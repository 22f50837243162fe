import { randomUUID } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import { Abandoned, Draining, QueueFull } from "../commit/batcher.ts";
import { CommandFailed, DatabaseUnavailable } from "../commit/commit.ts";
import { apiError } from "../errors/api-error.ts";
import { isUnavailable } from "../errors/database-fault.ts";

const RETRY_MS = 200;

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
