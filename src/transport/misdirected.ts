import type { ConnectRouter } from "@connectrpc/connect";
import { type NodeRequest, type NodeResponse, refuseWithText } from "./http-refusal.ts";

export type RpcHandler = ConnectRouter["handlers"][number];

/**
 * Refuses a request that calls an RPC by a wrong HTTP method, content type or version, with a line
 * that says the right one: most people who see it try the API by hand.
 *
 * @returns false if the request is fine
 */
export function refuseMisdirected(
  rpc: RpcHandler,
  request: NodeRequest,
  response: NodeResponse,
): boolean {
  const { method = "", headers, httpVersion } = request;
  const { allowedMethods, supportedContentType, requestPath } = rpc;
  if (rpc.method.methodKind === "bidi_streaming" && httpVersion.startsWith("1.")) {
    const text = `${requestPath} streams both ways: call it over HTTP/2`;
    refuseWithText(response, 505, { text, headers: { connection: "close" } });
  } else if (!allowedMethods.includes(method)) {
    const text = `call ${requestPath} with ${allowedMethods.join(" or ")}`;
    refuseWithText(response, 405, { text, headers: { allow: allowedMethods.join(", ") } });
  } else if (method === "POST" && !supportedContentType(headers["content-type"] ?? "")) {
    const text = `call ${requestPath} with a content-type of ${typesOf(rpc)}`;
    refuseWithText(response, 415, { text });
  } else {
    return false;
  }
  return true;
}

/** The content types of Connect (others for streams), gRPC and gRPC-Web. */
function typesOf({ method }: RpcHandler): string {
  const connect = method.methodKind === "unary" ? "" : "connect+";
  return `application/${connect}json, application/${connect}proto, application/grpc or application/grpc-web`;
}
