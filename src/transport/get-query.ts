import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Checks the message in the URL of a read by GET (Connect's protocol). Connect applies no limit to it
 * unless it is compressed, and takes bad base64 for a bug of the server.
 *
 * @param maxBytes of the message
 * @throws {ConnectError} INVALID_ARGUMENT, RESOURCE_EXHAUSTED
 */
export function checkQuery(url: string, maxBytes: number): void {
  const query = new URL(url).searchParams;
  const message = query.get("message") ?? "";
  const size = query.get("base64") === "1" ? decodedSize(message) : Buffer.byteLength(message);
  if (size <= maxBytes) return;
  throw new ConnectError(
    `message size ${size} is larger than configured readMaxBytes ${maxBytes}`,
    Code.ResourceExhausted,
  );
}

function decodedSize(message: string): number {
  try {
    return base64Decode(message).length;
  } catch {
    throw new ConnectError("the message in the URL is not base64", Code.InvalidArgument);
  }
}
