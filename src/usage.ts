import { faultOf } from "./store/faults.ts";

const DENIED = "42501";

/** What a person did wrong, or can mend: a sentence is enough, no stack. */
export class UsageError extends Error {}

/** A database that is away, or that refuses us, is not a bug. */
export function unusable(cause: unknown): never {
  if (isDenied(cause)) {
    throw new UsageError("the database lets this role not do that: run it as the tables' owner");
  }
  if (faultOf(cause) === "bug" || !(cause instanceof Error)) throw cause;
  throw new UsageError(`cannot use the database: ${cause.message}`);
}

function isDenied(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === DENIED;
}
