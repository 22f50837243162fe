import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { Usage } from "../../gen/points/v1/prices_pb.ts";
import { compareBytes } from "../encoding/byte-order.ts";
import { sha256 } from "../encoding/sha256.ts";

/** A request of a mutation. */
type Named = { requestId: string; metadata: Record<string, string>; validateOnly: boolean };

/**
 * The hash of a request: SHA-256 (32 bytes) of the method and all fields of the request as the
 * client sent it, except its id and validate_only. A request with the same id and hash is a repeat;
 * with another hash it is refused. So what was only validated can be sent under the same id to be
 * applied. Nothing derived from state may go in, or an honest repeat would look like another request.
 * Map entries have no order on the wire, so they are sorted.
 */
export function hashRequest<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc> & Named,
): Uint8Array {
  const metadata = sorted(message.metadata);
  const said = { ...message, ...withSortedUsage(schema, message) };
  const content = toBinary(schema, { ...said, requestId: "", validateOnly: false, metadata });
  return sha256(Buffer.from(`${schema.typeName}\n`), content);
}

/** The oneof that has a usage, with the usage's maps sorted; undefined: none has. */
function withSortedUsage(schema: DescMessage, message: object) {
  const members = message as Readonly<Record<string, { case?: string; value?: unknown }>>;
  const oneof = schema.oneofs.find(({ localName }) => members[localName]!.case === "usage");
  if (oneof === undefined) return undefined;
  const usage = members[oneof.localName]!.value as Usage;
  const maps = { meters: sorted(usage.meters), attributes: sorted(usage.attributes) };
  return { [oneof.localName]: { case: "usage", value: { ...usage, ...maps } } };
}

function sorted<T>(map: Readonly<Record<string, T>>): Record<string, T> {
  const keys = Object.keys(map).toSorted(compareBytes);
  return Object.fromEntries(keys.map((key) => [key, map[key]!]));
}
