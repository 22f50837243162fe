import { randomUUID } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import { Abandoned, Draining, QueueFull } from "../commit/batcher.ts";
import { CommandFailed, DatabaseUnavailable } from "../commit/commit.ts";
import { apiError, type ErrorContent } from "../errors/api-error.ts";
import { TooManyReaders } from "../feed/watch-horizon.ts";
import { isUnavailable } from "../errors/database-fault.ts";
import { TooBusy } from "../store/reads/lagging.ts";

const RETRY_MS = 200;

/**
 * Turns anything that a handler threw into an error of this API. A bug becomes INTERNAL with an id
 * and nothing else. `report` gets the id and the bug, for the log.
 */
export function thrownError(
  thrown: unknown,
  report: (errorId: string, bug: unknown) => void,
): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  const message = thrown instanceof Error ? thrown.message : "";
  const isOverload = [QueueFull, TooManyReaders, TooBusy].some((of) => thrown instanceof of);
  if (isOverload) {
    return retryLater({ code: Code.ResourceExhausted, reason: "OVERLOADED", message });
  }
  if (thrown instanceof Draining) {
    return retryLater({ code: Code.Unavailable, reason: "SHUTTING_DOWN", message });
  }
  if (thrown instanceof DatabaseUnavailable) {
    // It is not reported here: the batch, of which this is one of many commands, has logged it.
    const { outcome } = thrown;
    return retryLater({ code: Code.Unavailable, reason: "DATABASE_UNAVAILABLE", message, outcome });
  }
  if (thrown instanceof Abandoned) return abandonedError(thrown);
  // Only reads throw these. A batch throws DatabaseUnavailable.
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

function retryLater(content: ErrorContent): ConnectError {
  return apiError({ ...content, retryMs: RETRY_MS });
}

function abandonedError({ dropped, cause }: Abandoned): ConnectError {
  const outcome = dropped ? "NOT_APPLIED" : "UNKNOWN";
  const isLate = cause instanceof ConnectError && cause.code === Code.DeadlineExceeded;
  const content = isLate
    ? ({ reason: "DEADLINE_EXCEEDED", message: "the deadline passed" } as const)
    : ({ reason: "CANCELLED", message: "the caller went away" } as const);
  return apiError({ code: isLate ? Code.DeadlineExceeded : Code.Canceled, ...content, outcome });
}
