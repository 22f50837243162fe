import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { withBatching } from "./batching.ts";
import type { LedgerClient } from "./follow.ts";
import { type RetryLimits, withRetries } from "./retry.ts";

// The public entry of the package `points/client`. It and its imports use no API of Node's, so that
// it runs in browsers too.

/**
 * Makes a client of Points over any Connect transport: `@connectrpc/connect-node` for Node,
 * `@connectrpc/connect-web` for browsers.
 *
 * The client retries unary calls that find no server, within their `timeoutMs`. It gives each
 * mutation without a `requestId` a random one (an idempotency key), so that a retry never applies
 * twice; `requestIdsOf` returns it. It does not retry streams or give them ids, and it does not
 * retry operations that are refused inside the answer of a batch. Calls throw a `ConnectError`;
 * `refusalOf` reads it.
 */
export function createPointsClient(
  transport: Transport,
  { batch = false, ...limits }: ClientOptions = {},
): Client<typeof PointsService> {
  const lower = batch ? withBatching(transport) : transport;
  return createClient(PointsService, withRetries(lower, limits));
}

/** Makes a client of the policies of accounts, with the same retries, ids and batches. */
export function createPolicyClient(
  transport: Transport,
  { batch = false, ...limits }: ClientOptions = {},
): Client<typeof PolicyService> {
  const lower = batch ? withBatching(transport) : transport;
  return createClient(PolicyService, withRetries(lower, limits));
}

/** Makes a client of the ledger as a whole, with the same retries; `followEntries` reads its stream. */
export function createLedgerClient(
  transport: Transport,
  limits: Partial<RetryLimits> = {},
): LedgerClient {
  return createClient(LedgerService, withRetries(transport, limits));
}

export type ClientOptions = Partial<RetryLimits> & {
  /**
   * Coalesces mutations that are in flight at once into ApplyBatch; the default is false. Calls keep
   * their answers, errors, deadlines, signals and request ids, and calls of one user their order.
   * A call waits for the slowest call of its batch. Interceptors of the transport see the batches.
   * Calls with headers or context values of their own are not batched.
   */
  readonly batch?: boolean;
};

export { type CheckedMessage, checkStream } from "./check-stream.ts";
export { entryHash, personalDigest } from "./entry-hash.ts";
export { followEntries, type FollowOptions } from "./follow.ts";
export { type Head, type Heads, newHeads, type Verdict } from "./heads.ts";
export { type Journal, readJournal, verifyJournal } from "./journal.ts";
export { type Outcome, type Refusal, refusalOf } from "./refusal.ts";
export { requestIdsOf } from "./request-ids.ts";
export { type RetryLimits, withRetries } from "./retry.ts";
export * from "../../gen/points/v1/account_pb.ts";
export * from "../../gen/points/v1/error_reason_pb.ts";
export * from "../../gen/points/v1/ledger_pb.ts";
export * from "../../gen/points/v1/points_pb.ts";
export * from "../../gen/points/v1/policies_pb.ts";
export * from "../../gen/points/v1/policy_pb.ts";
export * from "../../gen/points/v1/prices_pb.ts";
