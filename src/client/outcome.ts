import { isMessage, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { type ErrorInfo, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import type { Status } from "../../gen/google/rpc/status_pb.ts";
import { ApplyBatchResponseSchema } from "../../gen/points/v1/points_pb.ts";

// A request that was sent more than once has one outcome: that of its request id. A server knows
// nothing of the attempts before, unless it has looked for an answer to one of them.

/** Whether an attempt came to nothing for sure: a server says so. */
export function isNotApplied(error: ConnectError): boolean {
  return error.findDetails(ErrorInfoSchema).some(saysNotApplied);
}

/**
 * Makes what an attempt came to true of the attempts before it, of which one may have been applied:
 * an error, or the answer to a batch with errors in it. NOT_APPLIED becomes UNKNOWN where the server
 * did not look for an earlier answer.
 */
export function speakForAttempts(outcome: object): void {
  if (outcome instanceof ConnectError) {
    const [info] = outcome.findDetails(ErrorInfoSchema);
    if (info === undefined || !isHasty(info)) return;
    outcome.details = outcome.details.map((detail) =>
      "type" in detail && detail.type === ErrorInfoSchema.typeName
        ? { type: detail.type, value: unknown(info) }
        : detail,
    );
  } else if (isMessage(outcome, ApplyBatchResponseSchema)) {
    for (const { result } of outcome.results) {
      if (result.case === "error") speakInStatus(result.value);
    }
  }
}

function speakInStatus({ details }: Status): void {
  for (const detail of details) {
    const info = anyUnpack(detail, ErrorInfoSchema);
    if (info !== undefined && isHasty(info)) detail.value = unknown(info);
  }
}

function saysNotApplied({ domain, metadata }: ErrorInfo): boolean {
  return domain === "points.v1" && metadata["outcome"] === "NOT_APPLIED";
}

/** Whether it was refused before anybody looked for an answer to its request id. */
function isHasty(info: ErrorInfo): boolean {
  return saysNotApplied(info) && info.metadata["repeats_checked"] !== "true";
}

function unknown(info: ErrorInfo): Uint8Array<ArrayBuffer> {
  const metadata = { ...info.metadata, outcome: "UNKNOWN" };
  return toBinary(ErrorInfoSchema, { ...info, metadata });
}
