import type { ConnectRouter } from "@connectrpc/connect";
import { type Refusal, refuseInWords } from "./http-refusal.ts";

type RpcHandler = ConnectRouter["handlers"][number];
type Parameter<N extends 0 | 1> = Parameters<Refusal>[N];

/**
 * Answers a request to an RPC in a way in which it cannot be called, with a line that says how it
 * can: most who see it try the API by hand. False: it is none.
 */
export function refuseMisdirected(
  handler: RpcHandler,
  request: Parameter<0>,
  response: Parameter<1>,
): boolean {
  const { method = "", headers, httpVersion } = request;
  const { supportedContentType, requestPath } = handler;
  const isUnary = handler.method.methodKind === "unary";
  // Connect lists GET for a stream too, and refuses it later.
  const allowedMethods = isUnary ? handler.allowedMethods : ["POST"];
  if (handler.method.methodKind === "bidi_streaming" && httpVersion.startsWith("1.")) {
    const text = `${requestPath} streams both ways: call it over HTTP/2`;
    return refuseInWords(response, 505, text, { connection: "close" });
  }
  if (!allowedMethods.includes(method)) {
    const text = `call ${requestPath} with ${allowedMethods.join(" or ")}`;
    return refuseInWords(response, 405, text, { allow: allowedMethods.join(", ") });
  }
  if (method === "POST" && !supportedContentType(headers["content-type"] ?? "")) {
    const text = `call ${requestPath} with a content-type of ${typesOf(handler)}`;
    return refuseInWords(response, 415, text, {});
  }
  if (method === "GET" && !/^(json|proto)$/.test(queryOf(request).get("encoding") ?? "")) {
    const text = `call ${requestPath} with ?encoding=json&message={…} in the URL`;
    return refuseInWords(response, 415, text, {});
  }
  return false;
}

function queryOf({ url = "" }: Parameter<0>): URLSearchParams {
  return new URLSearchParams(url.slice(url.indexOf("?") + 1));
}

/** Of Connect, which has others for streams, gRPC and gRPC-Web. */
function typesOf({ method }: RpcHandler): string {
  const connect = method.methodKind === "unary" ? "" : "connect+";
  return `application/${connect}json, application/${connect}proto, application/grpc or application/grpc-web`;
}
