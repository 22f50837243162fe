import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import type { connectNodeAdapter } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";

type Fallback = NonNullable<Parameters<typeof connectNodeAdapter>[0]["fallback"]>;

/** Answers a call to an RPC that there is not, with the same kind of error as every other. */
export const unknownRpc: Fallback = (request, res) => {
  const message = "there is no such RPC";
  const info = create(ErrorInfoSchema, {
    domain: "points.v1",
    reason: "UNIMPLEMENTED",
    metadata: { outcome: "NOT_APPLIED" },
  });
  if (/^application\/grpc/i.test(request.headers["content-type"] ?? "")) {
    const details = [anyPack(ErrorInfoSchema, info)];
    const status = create(StatusSchema, { code: Code.Unimplemented, message, details });
    res.writeHead(200, {
      "content-type": request.headers["content-type"],
      "grpc-status": String(Code.Unimplemented),
      "grpc-message": encodeURIComponent(message),
      "grpc-status-details-bin": base64(toBinary(StatusSchema, status)),
    });
    res.end();
    return;
  }
  const value = base64(toBinary(ErrorInfoSchema, info));
  res.writeHead(404, { "content-type": "application/json" });
  res.end(
    JSON.stringify({
      code: "unimplemented",
      message,
      details: [{ type: ErrorInfoSchema.typeName, value }],
    }),
  );
};

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replace(/=+$/, "");
}
