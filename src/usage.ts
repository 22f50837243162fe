import { faultOf } from "./store/faults.ts";

/** What a person did wrong, or can mend: a sentence is enough, no stack. */
export class UsageError extends Error {}

/** A database that is away, or that refuses us, is not a bug. */
export function unusable(cause: unknown): never {
  if (faultOf(cause) === "bug" || !(cause instanceof Error)) throw cause;
  throw new UsageError(`cannot use the database: ${cause.message}`);
}
