import type { Fault } from "../errors/database-fault.ts";
import type { Entry } from "../ledger/entry.ts";

/** A step of a batch's transaction, in the order in which they come. */
export type BatchStep = "lock" | "load" | "apply" | "save" | "commit";

/** Observer of the group commit, for metrics and the log. Its methods must not throw. */
export type BatchObserver = {
  /** A step of an attempt is done. The step `lock` includes the wait for a connection. */
  stepped(step: BatchStep, ms: number): void;
  /** These entries are committed. */
  committed(entries: readonly Entry[]): void;
  /** An attempt failed, and another one follows. */
  retried(fault: Fault, error: unknown): void;
  /** The whole batch failed, and its callers get the error. */
  failed(commands: number, outcome: "NOT_APPLIED" | "UNKNOWN", error: unknown): void;
};

/** The observer that does nothing. */
export const UNOBSERVED: BatchObserver = {
  stepped() {},
  committed() {},
  retried() {},
  failed() {},
};
