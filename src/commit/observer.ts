import type { Fault } from "../errors/database-fault.ts";
import type { Entry } from "../ledger/entry.ts";

/** A part of a batch's transaction, in the order in which they come. */
export type BatchStep = "lock" | "load" | "apply" | "save" | "commit";

/** Is told what becomes of batches, for metrics and the log. It must not throw. */
export type BatchObserver = {
  /** A step of an attempt is done. `lock` begins with the wait for a connection. */
  stepped(step: BatchStep, ms: number): void;
  /** These are in the journal now. */
  committed(entries: readonly Entry[]): void;
  /** An attempt failed, and another follows. */
  retried(fault: Fault, error: unknown): void;
  /** The whole batch failed; its callers are told. */
  failed(commands: number, outcome: "NOT_APPLIED" | "UNKNOWN", error: unknown): void;
};

/** Where nobody wants to know. */
export const UNOBSERVED: BatchObserver = {
  stepped() {},
  committed() {},
  retried() {},
  failed() {},
};
