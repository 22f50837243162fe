import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Checks the message in the URL of a read by GET (Connect's protocol): Connect takes bad base64 for a
 * bug of the server. The limit of its size holds as by POST.
 *
 * @throws {ConnectError} INVALID_ARGUMENT
 */
export function checkQuery(url: string): void {
  const query = new URL(url).searchParams;
  if (query.get("base64") !== "1") return;
  try {
    base64Decode(query.get("message") ?? "");
  } catch {
    throw new ConnectError("the message in the URL is not base64", Code.InvalidArgument);
  }
}
