/**
 * Classifies an error of the database by what a batch does about it:
 * - `retry`: the transaction was rolled back by a conflict. Run it again at once.
 * - `timeout`: a lock, a statement or the time between two statements took too long. One command
 *   may be the cause.
 * - `cut`: the session ended in the transaction. One command may be the cause.
 * - `away`: the database cannot be reached or written to for now.
 * - `bug`: anything else. It would happen again.
 */
export type Fault = "retry" | "timeout" | "cut" | "away" | "bug";

/** Classifies an error of the ORM, of Kysely or of the driver by SQLSTATE or the driver's words. */
export function faultOf(error: unknown): Fault {
  const code = sqlStateOf(error);
  if (RETRY.has(code) || isMadeMeanwhile(error)) return "retry";
  if (TIMEOUT.has(code)) return "timeout";
  if (CUT.has(code) || code.startsWith("08")) return "cut";
  if (AWAY.has(code) || AWAY_CLASSES.has(code.slice(0, 2))) return "away";
  // The driver's own errors have no code. test/errors makes each of them with the driver itself.
  const { message } = error instanceof Error ? error : { message: "" };
  if (/read timeout/i.test(message)) return "timeout";
  if (/connection terminated|Client was closed|not queryable/i.test(message)) return "cut";
  return /connection|timeout ex/i.test(message) ? "away" : "bug";
}

/** Whether the database is at fault, and the same operation may succeed later. */
export function isUnavailable(error: unknown): boolean {
  const fault = faultOf(error);
  return fault !== "bug" && fault !== "retry";
}

/** Whether another server has just made an account that this batch was to make. */
function isMadeMeanwhile(error: unknown): boolean {
  return error instanceof Error && "constraint" in error && error.constraint === "account_pkey";
}

const RETRY = new Set([
  "40001", // serialization failure
  "40P01", // deadlock
]);

const TIMEOUT = new Set([
  "25P03", // idle in a transaction: this process was frozen in it, or computed for too long
  "55P03", // a lock
  "57014", // a statement, or an operator cancelled it
]);

const CUT = new Set([
  "57P01", // terminated by an operator
  "57P02", // another session crashed
  "ECONNRESET",
  "EPIPE",
]);

const AWAY = new Set([
  "25006", // read-only: a standby, after a failover
  "ECONNREFUSED",
  "ENOENT", // the socket is gone
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

const AWAY_CLASSES = new Set([
  "01", // a warning at COMMIT: no standby has it yet
  "28", // wrong user or password
  "3D", // no such database
  "53", // out of disk, memory or connections
  "57", // shutting down, or starting up
  "58", // I/O errors
]);

function sqlStateOf(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("code" in at && typeof at.code === "string") return at.code;
  }
  return "";
}
