import { createHash } from "node:crypto";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { pageTokenInvalid } from "./errors.ts";

type Paged = { pageSize: number; pageToken: string };

/**
 * A token for the page after a place, bound to the request by a hash of the place and of everything
 * in the request but the page itself. It is not a secret: who forges one finds nothing that the
 * request may not see.
 */
export function writePageToken<Desc extends DescMessage>(
  schema: Desc,
  request: MessageShape<Desc> & Paged,
  place: readonly string[],
): string {
  const text = JSON.stringify([hashOf(schema, request, place), ...place]);
  return Buffer.from(text).toString("base64url");
}

/**
 * The place in a request's token; undefined for the first page.
 *
 * @throws PAGE_TOKEN_INVALID
 */
export function readPageToken<Desc extends DescMessage>(
  schema: Desc,
  request: MessageShape<Desc> & Paged,
): readonly string[] | undefined {
  if (request.pageToken === "") return undefined;
  const [hash, ...place] = parse(request.pageToken);
  if (hash !== hashOf(schema, request, place)) throw pageTokenInvalid();
  return place;
}

function parse(token: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    return Array.isArray(value) ? value.map(String) : [];
  } catch {
    return [];
  }
}

function hashOf<Desc extends DescMessage>(
  schema: Desc,
  request: MessageShape<Desc> & Paged,
  place: readonly string[],
): string {
  const content = toBinary(schema, { ...request, pageSize: 0, pageToken: "" });
  const hash = createHash("sha256").update(`${schema.typeName}\n${place.join()}\n`);
  return hash.update(content).digest().subarray(0, 9).toString("base64url");
}
