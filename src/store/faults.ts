/**
 * What an error of the database means for a batch:
 * - `retry`: the transaction was rolled back, through no fault of its own; again, at once.
 * - `away`: the database cannot be reached, or cannot take writes, for now.
 * - `bug`: anything else. It would come again.
 */
export type Fault = "retry" | "away" | "bug";

/** Reads an error of the ORM, of Kysely or of the driver. */
export function faultOf(error: unknown): Fault {
  const code = sqlStateOf(error);
  if (RETRY.has(code) || isMadeMeanwhile(error)) return "retry";
  if (AWAY.has(code) || AWAY_CLASSES.has(code.slice(0, 2))) return "away";
  // The driver's own errors carry no code.
  return error instanceof Error && DRIVER_AWAY.test(error.message) ? "away" : "bug";
}

const DRIVER_AWAY = /connection|timeout ex|read timeout|Client was closed|not queryable/i;

/** Another server has just made an account that this batch wanted to make. */
function isMadeMeanwhile(error: unknown): boolean {
  return error instanceof Error && "constraint" in error && error.constraint === "account_pkey";
}

const RETRY = new Set([
  "40001", // serialization failure
  "40P01", // deadlock
  "55P03", // lock timeout
]);

const AWAY = new Set([
  "25006", // read-only: a standby, after a failover
  "25P03", // idle in a transaction: this process was stopped in it, and goes on
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOENT", // the socket is gone
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

const AWAY_CLASSES = new Set([
  "01", // a warning at COMMIT: no standby has it yet
  "08", // connection exceptions
  "28", // wrong user or password
  "3D", // no such database
  "53", // out of disk, memory or connections
  "57", // shutting down, starting up, or terminated by an operator
  "58", // I/O errors
]);

function sqlStateOf(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("code" in at && typeof at.code === "string") return at.code;
  }
  return "";
}
