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
 * The refusal that a call threw, or that is the `error` of a result in a batch or a stream.
 *
 * @returns undefined if it does not come from Points, or is nothing that this version can read
 */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof ConnectError) && !isStatus(error)) return undefined;
  const info = detailOf(error, ErrorInfoSchema);
  if (info?.domain !== "points.v1" || !isReason(info.reason)) return undefined;
  const facts = factsOf(info.reason, info.metadata);
  if (facts === undefined) return undefined;
  const retryDelay = detailOf(error, RetryInfoSchema)?.retryDelay;
  const told: Told = {
    code: error.code,
    message: error instanceof ConnectError ? error.rawMessage : error.message,
    outcome: info.metadata["outcome"] === "NOT_APPLIED" ? "NOT_APPLIED" : "UNKNOWN",
    repeatsChecked: info.metadata["repeats_checked"] === "true",
    violations: detailOf(error, BadRequestSchema)?.fieldViolations ?? [],
    retryDelayMs: retryDelay && durationMs(retryDelay),
  };
  return { ...told, reason: info.reason, ...facts } as Refusal;
}

/**
 * Why Points refused a call, told apart by `reason`. INSUFFICIENT_POINTS has `balance`, `required`
 * and `shortfall`, and so on: what `error_reason.proto` says of each.
 */
export type Refusal = { [R in Reason]: Told & { readonly reason: R } & FactsOf<R> }[Reason];

/** Whether the call changed anything. UNKNOWN: repeat it with the same request_id to find out. */
export type Outcome = "NOT_APPLIED" | "UNKNOWN";

/** What every refusal tells. */
type Told = {
  /** A `Code` of Connect, whose numbers are those of gRPC. */
  readonly code: number;
  /** For people. */
  readonly message: string;
  readonly outcome: Outcome;
  /**
   * Whether the server looked for an earlier answer to the request id before it refused. If it did
   * not, its NOT_APPLIED tells nothing of a call with the same id that came to UNKNOWN before.
   */
  readonly repeatsChecked: boolean;
  /** The fields that break their limits. */
  readonly violations: readonly { readonly field: string; readonly description: string }[];
  /** How long to wait before trying again, where the server says so. */
  readonly retryDelayMs: number | undefined;
};

type Reason = Exclude<keyof typeof ErrorReason, "UNSPECIFIED">;

/** What a reason tells beside that, in `ErrorInfo.metadata`. */
const FACTS = {
  ACCOUNT_NOT_FOUND: { userId: "text" },
  LOT_NOT_FOUND: { lot: "whole" },
  HOLD_NOT_FOUND: { hold: "whole" },
  ENTRY_NOT_FOUND: { sequence: "whole" },
  SERVICE_NOT_PRICED: { service: "text" },
  REQUEST_ID_REUSED: { requestId: "text", sequence: "whole?" },
  INSUFFICIENT_POINTS: { balance: "whole", required: "whole", shortfall: "whole" },
  HOLD_CLOSED: { hold: "whole", state: "text" },
  HOLD_EXPIRED: { hold: "whole" },
  HOLD_EXCEEDED: { held: "whole", required: "whole" },
  REFUND_EXCEEDS_ENTRY: { sequence: "whole", refundable: "whole", required: "whole" },
  ENTRY_NOT_REFUNDABLE: { sequence: "whole", kind: "text" },
  ACCOUNT_FULL: { full: "text", limit: "whole" },
  TOTAL_TOO_LARGE: { total: "text", limit: "whole" },
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

/** @returns undefined if one is missing, or no number where it has to be one */
function factsOf(
  reason: Reason,
  metadata: Readonly<Record<string, string>>,
): Record<string, string | bigint | undefined> | undefined {
  const facts: Record<string, string | bigint | undefined> = {};
  const kinds = FACTS as { readonly [R in Reason]?: Readonly<Record<string, keyof Kinds>> };
  for (const [name, kind] of Object.entries(kinds[reason] ?? {})) {
    const told = metadata[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)];
    const isWhole = kind.startsWith("whole");
    if (told === undefined && !kind.endsWith("?")) return undefined;
    if (told !== undefined && isWhole && !/^-?\d+$/.test(told)) return undefined;
    facts[name] = told !== undefined && isWhole ? BigInt(told) : told;
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
