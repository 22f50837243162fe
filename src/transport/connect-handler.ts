import type { DescMethod } from "@bufbuild/protobuf";
import { ConnectError, createContextValues, type createHandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter, type ConnectNodeAdapterOptions } from "@connectrpc/connect-node";
import type { Access } from "../auth/access.ts";
import { callerKey } from "../auth/caller.ts";
import { credentialsKey } from "../auth/credentials.ts";
import { leaseKey } from "../auth/lease.ts";
import { reasonOf } from "../errors/api-error.ts";
import { PREVIOUS_ATTEMPTS, speakForAttempts } from "../rpc/earlier-attempts.ts";
import { answerLimit, completeErrors, type ErrorCompleter } from "../rpc/interceptors.ts";
import { authorityInUrl, type PageGuard } from "./authority.ts";
import { endBodyEarly, endStreamEarly } from "./body-end.ts";
import { boundDeadline, type DeadlineLimits } from "./deadline.ts";
import { nameFailedWrites } from "./failed-write.ts";
import { checkQuery } from "./get-query.ts";
import type { Handler } from "./handler.ts";
import { refuseWithError } from "./http-refusal.ts";
import { refuseMisdirected, type RpcHandler } from "./misdirected.ts";
import { gatherBody, requestKey } from "./request-body.ts";
import type { RequestLimit } from "./request-limit.ts";
import { type MethodOptions, type Routes, routesWithOptions } from "./routes.ts";
import { sendTrailersOnly } from "./trailers-only.ts";
import { unknownRpc } from "./unknown-rpc.ts";

/** An API, as Connect's adapter and the fast path serve it: both must answer alike. */
export type RpcOptions = Required<
  Pick<ConnectNodeAdapterOptions, "interceptors" | "acceptCompression" | "writeMaxBytes">
> & {
  readonly routes: Routes;
  readonly jsonOptionsOf: (method: DescMethod) => NonNullable<MethodOptions["jsonOptions"]>;
  readonly requestLimit: RequestLimit;
  readonly completeError: ErrorCompleter;
};

/** What each call must keep to. */
export type CallRules = {
  readonly deadlines: DeadlineLimits;
  readonly access: Access;
  readonly guard: PageGuard;
};

/**
 * Answers requests in every protocol (gRPC, gRPC-Web, Connect), over HTTP/1.1 and HTTP/2, by
 * Connect's adapter. It refuses requests from web pages of other origins.
 *
 * @param refused is told the reason of such a refusal
 */
export function connectHandler(
  options: RpcOptions,
  rules: CallRules,
  refused: (reason: string) => void,
): Handler {
  const rpcs = new Map<string, RpcHandler>();
  const adapter = adapterOf(options, rules, rpcs);
  return (request, response) => {
    const { headers } = request;
    const rpc = rpcs.get(request.url?.split("?", 1)[0] ?? "");
    const refusal = rules.guard(headers);
    if (refusal !== undefined) {
      if (rpc !== undefined) speakForAttempts(refusal, rpc.method, headers[PREVIOUS_ATTEMPTS]);
      refused(reasonOf(refusal));
      refuseWithError(response, 403, refusal);
      return;
    }
    // Connect makes a URL of the authority, which cannot be the path of a Unix socket there.
    for (const name of [":authority", "host"]) {
      const named = headers[name];
      if (typeof named === "string") headers[name] = authorityInUrl(named);
    }
    if (rpc !== undefined && refuseMisdirected(rpc, request, response)) return;
    // A cache would show an older balance, or one caller's answer to another.
    if (rpc !== undefined && request.method === "GET") {
      response.setHeader("cache-control", "no-store");
    }
    if (rpc?.method.methodKind !== "unary" && "stream" in response) nameFailedWrites(response);
    boundDeadline(headers, rpc?.method.methodKind !== "unary", rules.deadlines);
    const isGrpc = /^application\/grpc(\+|;|$)/i.test(headers["content-type"] ?? "");
    if (isGrpc && "stream" in response) sendTrailersOnly(response);
    adapter(request, response);
  };
}

type AbortableContext = ReturnType<typeof createHandlerContext>;

/** Connect's adapter, with access control. It adds the RPCs that it serves to `rpcs`, by path. */
function adapterOf(
  { routes, jsonOptionsOf, requestLimit, completeError, ...options }: RpcOptions,
  { access }: CallRules,
  rpcs: Map<string, RpcHandler>,
): ReturnType<typeof connectNodeAdapter> {
  return connectNodeAdapter({
    ...options,
    routes(router) {
      routesWithOptions(routes, (method) => ({
        jsonOptions: jsonOptionsOf(method),
        readMaxBytes: requestLimit(method),
      }))(router);
      for (const rpc of router.handlers) rpcs.set(rpc.requestPath, rpc);
    },
    interceptors: [answerLimit(options.writeMaxBytes), ...options.interceptors],
    // `answerLimit` measures the message; its JSON is larger.
    writeMaxBytes: 0xffffffff,
    contextValues: (request) => {
      const connection = "stream" in request ? request.stream.session : request;
      const { authorization } = request.headers;
      const values = createContextValues().set(requestKey, request);
      return values.set(credentialsKey, { authorization, connection });
    },
    async requestGate(context) {
      completeErrors(context, completeError);
      const { service, method, values, signal, abort } = context as AbortableContext;
      const path = `/${service.typeName}/${method.name}`;
      const head = { path, ...values.get(credentialsKey) };
      const admitted = await access.admit(head);
      if (admitted instanceof ConnectError) throw admitted;
      if (context.requestMethod === "GET") {
        values.set(callerKey, admitted.caller);
        // There is no body to wait for, at whose end a call's deadline is looked at.
        signal.throwIfAborted();
        return checkQuery(context.url);
      }
      const lease = access.lease(admitted, head, signal);
      values.set(callerKey, admitted.caller).set(leaseKey, lease);
      // A watch waits for news. Other calls wait for their caller, or for what they have begun.
      if (method.methodKind === "server_streaming") {
        lease.out.addEventListener("abort", () => abort(lease.out.reason));
      }
      const request = values.get(requestKey);
      if (request === undefined) return;
      gatherBody(request, requestLimit(method));
      if (method.methodKind === "bidi_streaming") return endStreamEarly(request, lease);
      const atEnd = async () => {
        // The body may have come late.
        values.set(callerKey, await lease.caller());
        if (method.methodKind === "unary") lease.close();
      };
      endBodyEarly(request, { lease, signal, atEnd });
    },
    fallback: unknownRpc,
  });
}
