import {
  ConnectError,
  type ConnectRouter,
  createContextValues,
  type createHandlerContext,
} from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { Access } from "../auth/access.ts";
import { callerKey } from "../auth/caller.ts";
import { credentialsKey } from "../auth/credentials.ts";
import { leaseKey } from "../auth/lease.ts";
import { reasonOf } from "../errors/api-error.ts";
import { PREVIOUS_ATTEMPTS, speakForAttempts } from "../rpc/earlier-attempts.ts";
import { answerLimit, completeErrors } from "../rpc/interceptors.ts";
import { authorityInUrl, type PageGuard } from "./authority.ts";
import { boundDeadline, type DeadlineLimits } from "./deadline.ts";
import type { ConnectOptions } from "./fast-unary.ts";
import { checkQuery } from "./get-query.ts";
import { refuseWith } from "./http-refusal.ts";
import type { Handler } from "./listen.ts";
import { refuseMisdirected } from "./misdirected.ts";
import { endBodyEarly, endStreamEarly, gatherBody, requestKey } from "./request-body.ts";
import { withRequestLimit } from "./request-limit.ts";
import { sendTrailersOnly } from "./trailers-only.ts";
import { unknownRpc } from "./unknown-rpc.ts";

/** What a request must keep to. */
export type HandlerRules = {
  readonly deadlines: DeadlineLimits;
  readonly access: Pick<Access, "admit" | "lease">;
  readonly guard: PageGuard;
  /** Told the reason for which the guard refuses one. */
  readonly refused: (reason: string) => void;
};

/**
 * Answers requests by Connect's adapter: every protocol, HTTP/1.1 and HTTP/2. It refuses what web
 * pages of others ask for.
 */
export function connectHandler(options: ConnectOptions, rules: HandlerRules): Handler {
  const { deadlines, guard, refused } = rules;
  const rpcs = new Map<string, RpcHandler>();
  const adapter = adapterOf(options, rules, rpcs);
  return (request, response) => {
    const { headers } = request;
    const rpc = rpcs.get(request.url?.split("?", 1)[0] ?? "");
    const refusal = guard(headers);
    if (refusal !== undefined) {
      if (rpc !== undefined) speakForAttempts(refusal, rpc.method, headers[PREVIOUS_ATTEMPTS]);
      refused(reasonOf(refusal));
      refuseWith(refusal, 403, request, response);
      return;
    }
    // Connect reads a URL, which cannot have the path of a socket for its authority.
    for (const name of [":authority", "host"]) {
      const named = headers[name];
      if (typeof named === "string") headers[name] = authorityInUrl(named);
    }
    if (rpc !== undefined && refuseMisdirected(rpc, request, response)) return;
    // A cache would show an older balance, or one caller's answer to another.
    if (rpc !== undefined && request.method === "GET") {
      response.setHeader("cache-control", "no-store");
    }
    boundDeadline(headers, rpc?.method.methodKind !== "unary", deadlines);
    const isGrpc = /^application\/grpc(\+|;|$)/i.test(headers["content-type"] ?? "");
    if (isGrpc && "stream" in response) sendTrailersOnly(response);
    adapter(request, response);
  };
}

type RpcHandler = ConnectRouter["handlers"][number];
type AbortableContext = ReturnType<typeof createHandlerContext>;

/** Connect's adapter, which lets callers in. It notes the RPCs that it knows, by their paths. */
function adapterOf(
  options: ConnectOptions,
  { access }: HandlerRules,
  rpcs: Map<string, RpcHandler>,
): ReturnType<typeof connectNodeAdapter> {
  const { requestLimit: limit, ...rest } = options;
  return connectNodeAdapter({
    ...rest,
    routes(router) {
      options.routes(withRequestLimit(router, limit));
      for (const rpc of router.handlers) rpcs.set(rpc.requestPath, rpc);
    },
    interceptors: [answerLimit(options.writeMaxBytes), ...options.interceptors],
    // JSON is larger than what is measured.
    writeMaxBytes: 0xffffffff,
    contextValues: (request) => {
      const connection = "stream" in request ? request.stream.session : request;
      const { authorization: token } = request.headers;
      const values = createContextValues().set(requestKey, request);
      return values.set(credentialsKey, { authorization: token, connection });
    },
    async requestGate(context) {
      completeErrors(context, options.completeError);
      const { service, method, values, signal, abort } = context as AbortableContext;
      const path = `/${service.typeName}/${method.name}`;
      const head = { path, ...values.get(credentialsKey) };
      const admitted = await access.admit(head);
      if (admitted instanceof ConnectError) throw admitted;
      if (context.requestMethod === "GET") {
        values.set(callerKey, admitted.caller);
        // There is no body to wait for, at whose end a call's deadline is looked at.
        signal.throwIfAborted();
        return checkQuery(context.url, limit(method));
      }
      const lease = access.lease(admitted, head, signal);
      values.set(callerKey, admitted.caller).set(leaseKey, lease);
      // It waits for what it tells of. Other calls wait for the caller, or for what they have begun.
      if (method.methodKind === "server_streaming") {
        lease.out.addEventListener("abort", () => abort(lease.out.reason));
      }
      const request = values.get(requestKey);
      if (request === undefined) return;
      gatherBody(request, limit(method));
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
