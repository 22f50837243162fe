import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";

/** Everything that an error of this API tells a program. */
export type Refusal = {
  code: keyof typeof Code;
  reason: string | undefined;
  domain: string | undefined;
  outcome: string | undefined;
  /** Whether the ledger looked for an earlier answer first (idempotency). */
  repeatsChecked: boolean;
  /** ErrorInfo's metadata without these two. */
  metadata: Record<string, string>;
  /** The fields named by BadRequest. */
  fields: string[];
  retryMs: number | undefined;
  message: string;
};

/** The error of a call that must fail. */
export async function refusalOf(call: Promise<unknown>): Promise<Refusal> {
  const [result] = await Promise.allSettled([call]);
  if (result.status === "fulfilled") throw new Error("the call succeeded");
  return readRefusal(result.reason);
}

/** Reads the details of an error; parts without a detail are undefined or empty. */
export function readRefusal(thrown: unknown): Refusal {
  if (!(thrown instanceof ConnectError)) throw thrown;
  const [info] = thrown.findDetails(ErrorInfoSchema);
  const [badRequest] = thrown.findDetails(BadRequestSchema);
  const [retry] = thrown.findDetails(RetryInfoSchema);
  const { outcome, repeats_checked: checked, ...metadata } = info?.metadata ?? {};
  const delay = retry?.retryDelay;
  return {
    code: Code[thrown.code] as keyof typeof Code,
    reason: info?.reason,
    domain: info?.domain,
    outcome,
    repeatsChecked: checked === "true",
    metadata,
    fields: badRequest?.fieldViolations.map(({ field }) => field) ?? [],
    retryMs: delay === undefined ? undefined : Number(delay.seconds) * 1000 + delay.nanos / 1e6,
    message: thrown.rawMessage,
  };
}
