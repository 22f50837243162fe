import { type DescMessage, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  type Interceptor,
} from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { UserError } from "../errors/user-error.ts";
import { WrongUsage } from "./arguments.ts";

export type PointsClient = Client<typeof PointsService>;
type PolicyClient = Client<typeof PolicyService>;
export type LedgerClient = Client<typeof LedgerService>;

/** The options of all commands that show an answer of a running server. */
export const CLIENT_OPTIONS = { server: { type: "string" }, json: { type: "boolean" } } as const;

const TIMEOUT_MS = 10_000;

/**
 * Connects to a running server, calls `work`, and disconnects.
 *
 * @param server the option --server; by default the address in POINTS_URL, or else the local server
 * @throws {WrongUsage} if the address is wrong
 * @throws {UserError} a sentence for each error of a call
 */
export async function withClient(
  server: string | undefined,
  work: (client: PointsClient, policies: PolicyClient, ledger: LedgerClient) => Promise<void>,
): Promise<void> {
  const baseUrl = serverUrl(server);
  const sessionManager = new Http2SessionManager(baseUrl);
  let mayHaveChanged = false;
  const noting: Interceptor = (next) => (request) => {
    const { idempotency } = request.method;
    mayHaveChanged ||= !request.stream && idempotency !== IdempotencyLevel.NO_SIDE_EFFECTS;
    return next(request);
  };
  const interceptors = [withToken(process.env["POINTS_TOKEN"]), noting];
  const transport = createGrpcTransport({
    baseUrl,
    sessionManager,
    interceptors,
    defaultTimeoutMs: TIMEOUT_MS,
  });
  try {
    await work(
      createClient(PointsService, transport),
      createClient(PolicyService, transport),
      createClient(LedgerService, transport),
    );
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    throw new UserError(errorText(error, baseUrl, mayHaveChanged ? UNKNOWN : ""));
  } finally {
    sessionManager.abort();
  }
}

/** A message as protobuf's JSON, zeros included: a script that asks for the balance must find it. */
export function asJson<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): JsonValue {
  return toJson(schema, message, { alwaysEmitImplicit: true });
}

export function printJson(value: JsonValue): void {
  console.log(JSON.stringify(value, null, 2));
}

function serverUrl(option: string | undefined): string {
  const text = option ?? (process.env["POINTS_URL"] || "http://127.0.0.1:50051");
  const { protocol } = URL.parse(text) ?? {};
  if (protocol === "http:" || protocol === "https:") return text.replace(/\/+$/, "");
  const name = option === undefined ? "POINTS_URL" : "--server";
  throw new WrongUsage(`${name} takes an address such as http://127.0.0.1:50051, and not ${text}`);
}

/** @throws {UserError} if no header can have it: fetch's own error would print it */
function withToken(token = ""): Interceptor {
  if (!/^[\x21-\x7e]*$/.test(token.trim())) {
    throw new UserError("POINTS_TOKEN is no token: it has spaces, line breaks or other signs");
  }
  return (next) => (request) => {
    if (token) request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}

/**
 * The message of an error, its reason, and the numbers that belong to it.
 *
 * @param unknown what to add where nobody knows whether something was done
 */
function errorText(error: ConnectError, baseUrl: string, unknown: string): string {
  const [info] = error.findDetails(ErrorInfoSchema);
  if (info === undefined) {
    if (error.code === Code.Unavailable) {
      return `there is no server at ${baseUrl}: start one by "npm start", or name one by --server`;
    }
    const asPoints = error.code === Code.DeadlineExceeded ? "in time" : `as Points does`;
    return `the server at ${baseUrl} does not answer ${asPoints} (${error.rawMessage})${unknown}`;
  }
  const { outcome, repeats_checked: _, ...numbers } = info.metadata;
  const facts = Object.entries(numbers).map(([name, value]) => `${name} ${value}`);
  const why = [info.reason, ...facts].join(", ");
  return `${error.rawMessage} (${why})${outcome === "UNKNOWN" ? unknown : ""}`;
}

const UNKNOWN = "; what was asked for may have been done: the same --request-id finds out";
