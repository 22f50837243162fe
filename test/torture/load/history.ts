import { performance } from "node:perf_hooks";
import { type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type Any, anyUnpack } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { AccountSchema, EntrySchema, HoldSchema } from "../../../gen/points/v1/account_pb.ts";
import type { GetOrCreateResponse, OperationResult } from "../../../gen/points/v1/points_pb.ts";
import type { Out } from "../deployment/guest.ts";
import type { SetOperation } from "../oracle/decide.ts";

// The history that the history checker reads: every operation, every attempt, and every outcome.

/** The outcome of one attempt, as its caller saw it. */
export type Outcome =
  | {
      readonly kind: "applied";
      readonly replayed: boolean;
      /** The answer's messages as bytes; undefined where it has none. */
      readonly entry: Uint8Array | undefined;
      readonly account: Uint8Array;
      readonly hold: Uint8Array | undefined;
      /** The sequence of the account in the answer. */
      readonly sequence: bigint;
    }
  /** The ledger refused it. */
  | { readonly kind: "refused"; readonly reason: string; readonly metadata: Metadata }
  /** The ledger did not decide it and did not apply it: overload, deadline, no database. */
  | { readonly kind: "notApplied"; readonly reason: string }
  /** It may have been applied, before or after this answer. */
  | { readonly kind: "unknown"; readonly reason: string }
  /** No caller may ever get this answer, whatever is broken. It may have been applied. */
  | { readonly kind: "wrong"; readonly reason: string };

export type OutcomeOf<Kind extends Outcome["kind"]> = Extract<Outcome, { kind: Kind }>;

type Metadata = Readonly<Record<string, string>>;

/** One attempt of an operation. */
export type Attempt = {
  /** When it was sent, in milliseconds of `performance.now()`. */
  readonly start: number;
  /** When its outcome arrived; Infinity until then, and for ever if the outcome is unknown. */
  end: number;
  /** The call that carried it, and its place in that call. */
  readonly call: number;
  readonly place: number;
  /** Undefined until it arrives. */
  outcome: Outcome | undefined;
};

/** An operation and all its attempts. */
export type Asked = {
  /** Unique in the run. An operation without a request id carries it in its metadata. */
  readonly tag: string;
  readonly operation: SetOperation;
  readonly attempts: Attempt[];
};

/** An answered GetOrCreate. */
export type Opened = {
  readonly start: number;
  readonly end: number;
  readonly created: boolean;
  readonly account: MessageShape<typeof AccountSchema>;
  /** The account as bytes. */
  readonly bytes: Uint8Array;
};

/** The client that sends a history's requests. */
export type Caller = {
  /** The name by which servers know the client; empty without credentials. */
  readonly name: string;
  /** When no server let the client in. */
  readonly outs: readonly Out[];
};

/** All requests about one account. */
export type History = {
  readonly userId: string;
  readonly caller: Caller;
  readonly asked: Asked[];
  readonly opened: Opened[];
  /** When the first GetOrCreate was sent, in milliseconds of `performance.now()`. */
  openedFrom: number;
};

/** Reasons of the ledger's own refusals. */
const REFUSALS = new Set([
  "FIELD_INVALID",
  "ACCOUNT_NOT_FOUND",
  "LOT_NOT_FOUND",
  "HOLD_NOT_FOUND",
  "ENTRY_NOT_FOUND",
  "SERVICE_NOT_PRICED",
  "REQUEST_ID_REUSED",
  "INSUFFICIENT_POINTS",
  "HOLD_CLOSED",
  "HOLD_EXPIRED",
  "HOLD_EXCEEDED",
  "REFUND_EXCEEDS_ENTRY",
  "REVOKE_EXCEEDS_LOT",
  "ENTRY_CHANGED",
  "ENTRY_NOT_REFUNDABLE",
  "TOTAL_TOO_LARGE",
  "ACCOUNT_FULL",
  "POLICY_NOT_FOUND",
]);

/** Reasons why the ledger did not decide, while something is broken or overloaded. */
const HINDRANCES = new Set([
  "OVERLOADED",
  "RATE_LIMITED",
  "DATABASE_UNAVAILABLE",
  "SHUTTING_DOWN",
  "UNAUTHENTICATED",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
]);

/** The outcome of one result of a batch or a stream. */
export function outcomeOf(result: OperationResult["result"] | undefined): Outcome {
  if (result?.case === undefined) return { kind: "wrong", reason: "an answer without a result" };
  return result.case === "error" ? errorOutcome(result.value.details) : answerOutcome(result.value);
}

/** The outcome of a unary RPC's answer. */
export function answerOutcome(
  answer: Exclude<OperationResult["result"], { case: "error" | undefined }>["value"],
): Outcome {
  const { entry, account, replayed } = answer;
  if (account === undefined) return { kind: "wrong", reason: "an answer without an account" };
  const hold = "hold" in answer ? answer.hold : undefined;
  return {
    kind: "applied",
    replayed,
    entry: entry === undefined ? undefined : toBinary(EntrySchema, entry),
    account: toBinary(AccountSchema, account),
    hold: hold === undefined ? undefined : toBinary(HoldSchema, hold),
    sequence: account.sequence,
  };
}

/** The outcome of all operations in a call that failed. */
export function thrownOutcome(thrown: unknown): Outcome {
  const error = ConnectError.from(thrown);
  const [info] = error.findDetails(ErrorInfoSchema);
  // Only the server's errors have details: here the connection failed or the client gave up.
  if (info === undefined) return { kind: "unknown", reason: `no answer: ${error.rawMessage}` };
  return infoOutcome(info);
}

function errorOutcome(details: readonly Any[]): Outcome {
  for (const detail of details) {
    const info = anyUnpack(detail, ErrorInfoSchema);
    if (info !== undefined) return infoOutcome(info);
  }
  return { kind: "wrong", reason: "an error without ErrorInfo" };
}

function infoOutcome({ domain, reason, metadata: all }: MessageShape<typeof ErrorInfoSchema>) {
  const { outcome, repeats_checked: _, ...metadata } = all;
  const isOurs = domain === "points.v1";
  const isNotApplied = isOurs && outcome === "NOT_APPLIED";
  if (isNotApplied && REFUSALS.has(reason)) return { kind: "refused", reason, metadata } as const;
  if (isNotApplied && HINDRANCES.has(reason)) return { kind: "notApplied", reason } as const;
  if (isOurs && outcome === "UNKNOWN" && HINDRANCES.has(reason)) {
    return { kind: "unknown", reason } as const;
  }
  return { kind: "wrong", reason: `${domain} ${reason} ${JSON.stringify(all)}` } as const;
}

/** An outcome as people read it. */
export function nameOf(outcome: Outcome): string {
  if (outcome.kind === "refused") return `${outcome.reason} ${JSON.stringify(outcome.metadata)}`;
  if (outcome.kind === "applied") return outcome.replayed ? "applied before" : "applied";
  return `${outcome.kind} ${outcome.reason}`;
}

/** The history's record of a GetOrCreate that was sent at `start` and is answered now. */
export function openedOf({ account, created }: GetOrCreateResponse, start: number): Opened {
  if (account === undefined) throw new Error("GetOrCreate answers without an account");
  const end = performance.now();
  return { start, end, created, account, bytes: toBinary(AccountSchema, account) };
}
