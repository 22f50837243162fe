import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { type RetryLimits, withRetries } from "./retry.ts";

// What `points/client` is for those who install the package. Nothing in it, nor in what it imports,
// is of Node alone: it runs in browsers too.

/**
 * A client of Points through any transport of Connect: of `@connectrpc/connect-node` for Node, of
 * `@connectrpc/connect-web` for browsers.
 *
 * A unary call that finds no server is repeated, within its `timeoutMs`. A mutation without a
 * `requestId` gets a random one first, so that a repeat never applies twice; `requestIdsOf` tells
 * it. Streams are neither repeated nor given ids, nor are the operations of a batch that are refused
 * in its answer. What a call throws is a `ConnectError`: `refusalOf` reads it.
 */
export function createPointsClient(
  transport: Transport,
  limits: Partial<RetryLimits> = {},
): Client<typeof PointsService> {
  return createClient(PointsService, withRetries(transport, limits));
}

export { type Outcome, type Refusal, refusalOf } from "./refusal.ts";
export { requestIdsOf } from "./request-ids.ts";
export { type RetryLimits, withRetries } from "./retry.ts";
export * from "../../gen/points/v1/account_pb.ts";
export * from "../../gen/points/v1/error_reason_pb.ts";
export * from "../../gen/points/v1/points_pb.ts";
export * from "../../gen/points/v1/prices_pb.ts";
