import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { compareBytes } from "../ledger/byte-order.ts";
import { sha256 } from "../ledger/sha256.ts";

/** A request of a mutation. */
type Named = { requestId: string; metadata: Record<string, string>; validateOnly: boolean };

/**
 * The hash of a request: SHA-256 (32 bytes) of the method and all fields of the request as the
 * client sent it, except its id and validate_only. A request with the same id and hash is a repeat;
 * with another hash it is refused. So what was only validated can be sent under the same id to be
 * applied. Nothing derived from state may go in, or an honest repeat would look like another request. Map entries have no order on the wire, so they are sorted.
 */
export function hashRequest<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc> & Named,
): Uint8Array {
  const keys = Object.keys(message.metadata).toSorted(compareBytes);
  const metadata = Object.fromEntries(keys.map((key) => [key, message.metadata[key]]));
  const content = toBinary(schema, { ...message, requestId: "", validateOnly: false, metadata });
  return sha256(Buffer.from(`${schema.typeName}\n`), content);
}
