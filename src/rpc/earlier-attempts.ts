import type { DescMethod } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { outgoingInfo } from "../errors/api-error.ts";

// Outcomes under client retries. An earlier attempt of a request may have been applied though its
// answer was lost. A refusal of a later attempt speaks of the request id, and so of all attempts:
// it may say NOT_APPLIED only if the server looked for an earlier answer (idempotency) before it
// refused.

/** The header in which a retrying gRPC client says how many attempts it has made before. */
export const PREVIOUS_ATTEMPTS = "grpc-previous-rpc-attempts";

/** Marks a refusal as made after the request id was looked up. */
export function sayRepeatsChecked(refusal: ConnectError): ConnectError {
  const info = outgoingInfo(refusal);
  if (info !== undefined) info.metadata[REPEATS_CHECKED] = "true";
  return refusal;
}

/**
 * Makes a refusal true of earlier attempts too: if the request id was not looked up, the outcome
 * becomes UNKNOWN. Reads stay as they are, for they apply nothing.
 *
 * @param previousAttempts the value of {@link PREVIOUS_ATTEMPTS}
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

/** A header's value as Node or as Fetch gives it. */
export type HeaderValue = string | string[] | null | undefined;

const REPEATS_CHECKED = "repeats_checked";

/** Whether requests of the method have ids, or hold operations that have. */
function isMutation({ input }: DescMethod): boolean {
  return input.fields.some(({ name }) => MUTATING.has(name));
}

const MUTATING: ReadonlySet<string> = new Set(["request_id", "operations", "operation"]);
