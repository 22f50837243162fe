import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";

/** All that an error of this API tells a program. */
export type Refusal = {
  code: keyof typeof Code;
  reason: string | undefined;
  domain: string | undefined;
  outcome: string | undefined;
  /** Whether the request id was looked up first. */
  repeatsChecked: boolean;
  /** Of ErrorInfo, without these two. */
  metadata: Record<string, string>;
  /** The fields that BadRequest names. */
  fields: string[];
  retryMs: number | undefined;
  message: string;
};

/** The error of a call, which must fail. */
export async function refusalOf(call: Promise<unknown>): Promise<Refusal> {
  const [result] = await Promise.allSettled([call]);
  if (result.status === "fulfilled") throw new Error("the call succeeded");
  return readRefusal(result.reason);
}

/** Reads what the details of an error say; undefined or empty where there is no such detail. */
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
