import { type DescMessage, isMessage, type MessageShape } from "@bufbuild/protobuf";
import { anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import { type Status, StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { ErrorReason } from "../../gen/points/v1/error_reason_pb.ts";

/**
 * Reads the refusal from an error that a call threw, or from the `error` of a result in a batch or a
 * stream.
 *
 * @returns undefined if Points did not make the error, or if this version cannot read it
 */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof ConnectError) && !isStatus(error)) return undefined;
  const info = detailOf(error, ErrorInfoSchema);
  if (info?.domain !== "points.v1" || !isReason(info.reason)) return undefined;
  const facts = factsOf(info.reason, info.metadata);
  if (facts === undefined) return undefined;
  const retryDelay = detailOf(error, RetryInfoSchema)?.retryDelay;
  const common: Common = {
    code: error.code,
    message: error instanceof ConnectError ? error.rawMessage : error.message,
    outcome: info.metadata["outcome"] === "NOT_APPLIED" ? "NOT_APPLIED" : "UNKNOWN",
    repeatsChecked: info.metadata["repeats_checked"] === "true",
    violations: detailOf(error, BadRequestSchema)?.fieldViolations ?? [],
    retryDelayMs: retryDelay && durationMs(retryDelay),
  };
  return { ...common, reason: info.reason, ...facts } as Refusal;
}

/**
 * Why Points refused a call: a union discriminated by `reason`. Each reason has the facts that
 * `error_reason.proto` lists; INSUFFICIENT_POINTS has `balance`, `usable`, `required` and
 * `shortfall`.
 */
export type Refusal = { [R in Reason]: Common & { readonly reason: R } & FactsOf<R> }[Reason];

/** Whether the call changed anything. UNKNOWN: repeat the call with its request_id to find out. */
export type Outcome = "NOT_APPLIED" | "UNKNOWN";

/** The fields of every refusal. */
type Common = {
  /** A `Code` of Connect, whose numbers are those of gRPC. */
  readonly code: number;
  /** For people; it may change. */
  readonly message: string;
  readonly outcome: Outcome;
  /**
   * Whether the server looked for an earlier answer to the request id before it refused. If not,
   * NOT_APPLIED says nothing of an earlier call with the same id that ended in UNKNOWN.
   */
  readonly repeatsChecked: boolean;
  /** The request's fields that break their limits. */
  readonly violations: readonly { readonly field: string; readonly description: string }[];
  /** How long the server asks to wait before a retry; undefined: it does not say. */
  readonly retryDelayMs: number | undefined;
};

type Reason = Exclude<keyof typeof ErrorReason, "UNSPECIFIED">;

/** The facts of each reason, as `ErrorInfo.metadata` has them. `?`: may be missing. */
const FACTS = {
  FIELD_INVALID: { tooMuch: "text?" },
  ACCOUNT_NOT_FOUND: { userId: "text" },
  LOT_NOT_FOUND: { lot: "whole" },
  HOLD_NOT_FOUND: { hold: "whole" },
  ENTRY_NOT_FOUND: { sequence: "whole?", requestId: "text?" },
  ENTRY_CHANGED: { sequence: "whole", expectedHash: "text", hash: "text" },
  SERVICE_NOT_PRICED: { service: "text" },
  REQUEST_ID_REUSED: { requestId: "text", sequence: "whole?" },
  INSUFFICIENT_POINTS: {
    balance: "whole",
    usable: "whole",
    required: "whole",
    shortfall: "whole",
  },
  HOLD_CLOSED: { hold: "whole", state: "text" },
  HOLD_EXPIRED: { hold: "whole" },
  HOLD_EXCEEDED: { held: "whole", required: "whole" },
  REFUND_EXCEEDS_ENTRY: { sequence: "whole", refundable: "whole", required: "whole" },
  REVOKE_EXCEEDS_LOT: { lot: "whole", revocable: "whole", required: "whole" },
  ENTRY_NOT_REFUNDABLE: { sequence: "whole", kind: "text" },
  ACCOUNT_FULL: { full: "text", limit: "whole" },
  TOTAL_TOO_LARGE: { total: "text", limit: "whole" },
  POLICY_NOT_FOUND: { name: "text" },
  NOT_PROJECTED: { key: "text?", missing: "text?" },
  LIMIT_EXCEEDED: {
    limit: "text",
    points: "whole",
    spent: "whole",
    required: "whole",
    resetsTime: "text?",
  },
  INTERNAL: { errorId: "text?" },
  PERMISSION_DENIED: {
    scope: "text?",
    userIdPrefix: "text?",
    maxPoints: "whole?",
    required: "whole?",
    authority: "text?",
    origin: "text?",
  },
} as const satisfies { readonly [R in Reason]?: Readonly<Record<string, keyof Kinds>> };

type Kinds = {
  text: string;
  "text?": string | undefined;
  whole: bigint;
  "whole?": bigint | undefined;
};

type FactsOf<R extends Reason> = R extends keyof typeof FACTS
  ? { readonly [F in keyof (typeof FACTS)[R]]: Kinds[(typeof FACTS)[R][F] & keyof Kinds] }
  : unknown;

/** @returns undefined if a required fact is missing or a whole number is malformed */
function factsOf(
  reason: Reason,
  metadata: Readonly<Record<string, string>>,
): Record<string, string | bigint | undefined> | undefined {
  const facts: Record<string, string | bigint | undefined> = {};
  const kinds = FACTS as { readonly [R in Reason]?: Readonly<Record<string, keyof Kinds>> };
  for (const [name, kind] of Object.entries(kinds[reason] ?? {})) {
    const text = metadata[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)];
    const isWhole = kind.startsWith("whole");
    if (text === undefined && !kind.endsWith("?")) return undefined;
    if (text !== undefined && isWhole && !/^-?\d+$/.test(text)) return undefined;
    facts[name] = text !== undefined && isWhole ? BigInt(text) : text;
  }
  return facts;
}

function detailOf<Desc extends DescMessage>(
  error: ConnectError | Status,
  schema: Desc,
): MessageShape<Desc> | undefined {
  if (error instanceof ConnectError) return error.findDetails(schema)[0];
  for (const detail of error.details) {
    const message = anyUnpack(detail, schema);
    if (message !== undefined) return message;
  }
  return undefined;
}

function isStatus(error: unknown): error is Status {
  return isMessage(error, StatusSchema);
}

function isReason(name: string): name is Reason {
  return name !== "UNSPECIFIED" && Object.hasOwn(ErrorReason, name);
}
