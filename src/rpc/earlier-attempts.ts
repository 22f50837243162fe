import type { DescMethod } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { outgoingInfo } from "../errors/api-error.ts";

// An attempt of a request may have been applied though its answer was lost. What a later attempt is
// refused with says NOT_APPLIED of the request id, and so of all attempts, only if the server looked
// for an earlier answer before it refused.

/** The header by which gRPC's clients, when they retry, say how often they have tried before. */
export const PREVIOUS_ATTEMPTS = "grpc-previous-rpc-attempts";

/** Says in a refusal that its request id was looked up among the repeats first. */
export function sayRepeatsChecked(refusal: ConnectError): ConnectError {
  const info = outgoingInfo(refusal);
  if (info !== undefined) info.metadata[REPEATS_CHECKED] = "true";
  return refusal;
}

/**
 * Makes a refusal true of the attempts before it too: where nobody looked, UNKNOWN is all that can
 * be said of them. Reads have nothing to be applied.
 *
 * @param previousAttempts that header's value
 */
export function speakForAttempts(
  refusal: ConnectError,
  method: DescMethod,
  previousAttempts: HeaderValue,
): void {
  if (!(Number(previousAttempts ?? 0) > 0) || !isMutation(method)) return;
  const info = outgoingInfo(refusal);
  if (info === undefined || REPEATS_CHECKED in info.metadata) return;
  info.metadata["outcome"] = "UNKNOWN";
}

/** As Node or as the web has it. */
export type HeaderValue = string | string[] | null | undefined;

const REPEATS_CHECKED = "repeats_checked";

/** Whether its requests have ids, or operations that do. */
function isMutation({ input }: DescMethod): boolean {
  return input.fields.some(({ name }) => MUTATING.has(name));
}

const MUTATING: ReadonlySet<string> = new Set(["request_id", "operations", "operation"]);
