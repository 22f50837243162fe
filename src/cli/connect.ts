import {
  type Client,
  Code,
  ConnectError,
  createClient,
  type Interceptor,
} from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { UserError } from "../errors/user-error.ts";

const TIMEOUT_MS = 10_000;

/**
 * Calls a server, and then leaves it.
 *
 * @throws {UserError} for whatever a call fails with: a sentence
 */
export async function withClient(
  baseUrl: string,
  work: (client: Client<typeof PointsService>) => Promise<void>,
): Promise<void> {
  const sessionManager = new Http2SessionManager(baseUrl);
  const interceptors = [withToken(process.env["POINTS_TOKEN"])];
  const transport = createGrpcTransport({
    baseUrl,
    sessionManager,
    interceptors,
    defaultTimeoutMs: TIMEOUT_MS,
  });
  try {
    await work(createClient(PointsService, transport));
  } catch (error) {
    throw error instanceof ConnectError ? new UserError(sentence(error, baseUrl)) : error;
  } finally {
    sessionManager.abort();
  }
}

/** Says who calls, to a server that asks. */
function withToken(token: string | undefined): Interceptor {
  return (next) => (request) => {
    if (token) request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}

/** What went wrong, why by its name, and the numbers that belong to it. */
function sentence(error: ConnectError, baseUrl: string): string {
  const [info] = error.findDetails(ErrorInfoSchema);
  if (info === undefined) {
    if (error.code === Code.Unavailable) {
      return `there is no server at ${baseUrl}: start one by "npm start", or name one by --server`;
    }
    const asPoints = error.code === Code.DeadlineExceeded ? "in time" : `as Points does`;
    return `the server at ${baseUrl} does not answer ${asPoints} (${error.rawMessage})${UNKNOWN}`;
  }
  const { outcome, repeats_checked: _, ...numbers } = info.metadata;
  const facts = Object.entries(numbers).map(([name, value]) => `${name} ${value}`);
  const why = [info.reason, ...facts].join(", ");
  return `${error.rawMessage} (${why})${outcome === "UNKNOWN" ? UNKNOWN : ""}`;
}

const UNKNOWN = "; what was asked for may have been done: the same --request-id finds out";
