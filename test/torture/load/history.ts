import { performance } from "node:perf_hooks";
import { type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type Any, anyUnpack } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { AccountSchema, EntrySchema, HoldSchema } from "../../../gen/points/v1/account_pb.ts";
import type { GetOrCreateResponse, OperationResult } from "../../../gen/points/v1/points_pb.ts";
import type { Out } from "../deployment/guest.ts";
import type { SetOperation } from "../oracle/decide.ts";

// What clients log: every operation, every try of it, and what came of it.

/** What became of one try, as far as its caller was told. */
export type Outcome =
  | {
      readonly kind: "applied";
      readonly replayed: boolean;
      /** The messages of the answer, to the byte; undefined where it has none. */
      readonly entry: Uint8Array | undefined;
      readonly account: Uint8Array;
      readonly hold: Uint8Array | undefined;
      /** Of the account in the answer. */
      readonly sequence: bigint;
    }
  /** The ledger's own refusal. */
  | { readonly kind: "refused"; readonly reason: string; readonly metadata: Metadata }
  /** Not decided by the ledger, and not applied: overloaded, too late, the database away. */
  | { readonly kind: "notApplied"; readonly reason: string }
  /** It may have been applied, before or after the caller was told so. */
  | { readonly kind: "unknown"; readonly reason: string }
  /** What no caller may ever be told, whatever is broken. It may have been applied. */
  | { readonly kind: "wrong"; readonly reason: string };

export type OutcomeOf<Kind extends Outcome["kind"]> = Extract<Outcome, { kind: Kind }>;

type Metadata = Readonly<Record<string, string>>;

/** One try of an operation. */
export type Attempt = {
  /** When it was sent, in milliseconds of `performance.now()`. */
  readonly start: number;
  /** When its outcome arrived; infinite until then, and for ever where the outcome is unknown. */
  end: number;
  /** The call that carried it, and its place there. */
  readonly call: number;
  readonly place: number;
  /** Undefined until there is one. */
  outcome: Outcome | undefined;
};

/** An operation and all tries of it. */
export type Asked = {
  /** Unlike that of any other operation; in its metadata, where it has no request id. */
  readonly tag: string;
  readonly operation: SetOperation;
  readonly attempts: Attempt[];
};

/** A GetOrCreate that was answered. */
export type Opened = {
  readonly start: number;
  readonly end: number;
  readonly created: boolean;
  readonly account: MessageShape<typeof AccountSchema>;
  /** The account, to the byte. */
  readonly bytes: Uint8Array;
};

/** Who asks. */
export type Caller = {
  /** The name by which servers know them; empty if by none. */
  readonly name: string;
  /** When no server let them in. */
  readonly outs: readonly Out[];
};

/** All that was asked of one account. */
export type History = {
  readonly userId: string;
  readonly caller: Caller;
  readonly asked: Asked[];
  readonly opened: Opened[];
  /** When GetOrCreate was first asked of it, in milliseconds of `performance.now()`. */
  openedFrom: number;
};

/** What the ledger itself may refuse an operation for. */
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
  "ENTRY_NOT_REFUNDABLE",
  "TOTAL_TOO_LARGE",
  "ACCOUNT_FULL",
]);

/** What may keep the ledger from deciding, while things are broken or busy. */
const HINDRANCES = new Set([
  "OVERLOADED",
  "RATE_LIMITED",
  "DATABASE_UNAVAILABLE",
  "SHUTTING_DOWN",
  "UNAUTHENTICATED",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
]);

/** A result of a batch or a stream as an outcome. */
export function outcomeOf(result: OperationResult["result"] | undefined): Outcome {
  if (result?.case === undefined) return { kind: "wrong", reason: "an answer without a result" };
  return result.case === "error" ? errorOutcome(result.value.details) : answerOutcome(result.value);
}

/** The answer of an RPC as an outcome. */
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

/** The error of a call as the outcome of all operations in it. */
export function thrownOutcome(thrown: unknown): Outcome {
  const error = ConnectError.from(thrown);
  const [info] = error.findDetails(ErrorInfoSchema);
  // Only the server's own errors have details: here the connection failed, or the client gave up.
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

/** What its caller was told, for people. */
export function nameOf(outcome: Outcome): string {
  if (outcome.kind === "refused") return `${outcome.reason} ${JSON.stringify(outcome.metadata)}`;
  if (outcome.kind === "applied") return outcome.replayed ? "applied before" : "applied";
  return `${outcome.kind} ${outcome.reason}`;
}

/** The answer of GetOrCreate to a call that began at a moment. */
export function openedOf({ account, created }: GetOrCreateResponse, start: number): Opened {
  if (account === undefined) throw new Error("GetOrCreate answers without an account");
  const end = performance.now();
  return { start, end, created, account, bytes: toBinary(AccountSchema, account) };
}
