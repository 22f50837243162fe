import { isMessage, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { type ErrorInfo, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import type { Status } from "../../gen/google/rpc/status_pb.ts";
import { ApplyBatchResponseSchema } from "../../gen/points/v1/points_pb.ts";

// Exactly-once outcomes. All attempts of a request share one outcome, that of its request id. A
// server knows nothing of earlier attempts unless it has looked for an earlier answer.

/** Whether a server says that this attempt changed nothing. */
export function isNotApplied(error: ConnectError): boolean {
  return error.findDetails(ErrorInfoSchema).some(saysNotApplied);
}

/**
 * Makes the result of an attempt true of all attempts, where an earlier one may have been applied.
 * Changes NOT_APPLIED to UNKNOWN, in place, where the server did not look for an earlier answer.
 *
 * @param outcome an error, or the answer of a batch, whose results may be errors
 */
export function downgradeNotApplied(outcome: object): void {
  if (outcome instanceof ConnectError) {
    const [info] = outcome.findDetails(ErrorInfoSchema);
    if (info === undefined || !isBeforeRepeatCheck(info)) return;
    outcome.details = outcome.details.map((detail) =>
      "type" in detail && detail.type === ErrorInfoSchema.typeName
        ? { type: detail.type, value: withOutcomeUnknown(info) }
        : detail,
    );
  } else if (isMessage(outcome, ApplyBatchResponseSchema)) {
    for (const { result } of outcome.results) {
      if (result.case === "error") downgradeStatus(result.value);
    }
  }
}

function downgradeStatus({ details }: Status): void {
  for (const detail of details) {
    const info = anyUnpack(detail, ErrorInfoSchema);
    if (info !== undefined && isBeforeRepeatCheck(info)) detail.value = withOutcomeUnknown(info);
  }
}

function saysNotApplied({ domain, metadata }: ErrorInfo): boolean {
  return domain === "points.v1" && metadata["outcome"] === "NOT_APPLIED";
}

/** Whether the server refused before it looked for an earlier answer to the request id. */
function isBeforeRepeatCheck(info: ErrorInfo): boolean {
  return saysNotApplied(info) && info.metadata["repeats_checked"] !== "true";
}

function withOutcomeUnknown(info: ErrorInfo): Uint8Array<ArrayBuffer> {
  const metadata = { ...info.metadata, outcome: "UNKNOWN" };
  return toBinary(ErrorInfoSchema, { ...info, metadata });
}
