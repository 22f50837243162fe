import { createHmac, timingSafeEqual } from "node:crypto";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { pageTokenInvalid } from "../errors/api-error.ts";
import type { PlaceCodec } from "./page-places.ts";

type Paged = { pageSize: number; pageToken: string };

/** The tokens of one RPC's pages. */
export type PageTokens<Desc extends DescMessage, Place> = {
  /** A token for the page after a place. */
  write(request: MessageShape<Desc> & Paged, place: Place): Promise<string>;
  /**
   * The place in a request's token; undefined for the first page.
   *
   * @throws PAGE_TOKEN_INVALID
   */
  read(request: MessageShape<Desc> & Paged): Promise<Place | undefined>;
};

/**
 * Tokens that are bound, by a hash with a key, to the ledger and to everything in the request but
 * the page itself. So none is made by hand, and what it says needs no further doubt.
 *
 * @param key the same for all servers of a ledger: a balancer sends the next page to another one
 */
export function pageTokens<Desc extends DescMessage, Place>(
  schema: Desc,
  places: PlaceCodec<Place>,
  key: () => Promise<Uint8Array>,
): PageTokens<Desc, Place> {
  const hashOf = (request: MessageShape<Desc>, place: string, withKey: Uint8Array) => {
    const content = toBinary(schema, { ...request, pageSize: 0, pageToken: "" });
    const hash = createHmac("sha256", withKey).update(`${schema.typeName}\n${place}\n`);
    return hash.update(content).digest().subarray(0, HASH_BYTES);
  };
  return {
    async write(request, place) {
      const text = places.write(place);
      const hash = hashOf(request, text, await key());
      return Buffer.concat([hash, Buffer.from(text)]).toString("base64url");
    },

    async read(request) {
      const { pageToken } = request;
      if (pageToken === "") return undefined;
      const bytes = Buffer.from(pageToken, "base64url");
      // Node skips what is not base64, so that many texts would be the same token.
      const isWhole = bytes.toString("base64url") === pageToken && bytes.length > HASH_BYTES;
      if (!isWhole) throw pageTokenInvalid();
      const text = bytes.toString("latin1", HASH_BYTES);
      const hash = hashOf(request, text, await key());
      if (!timingSafeEqual(hash, bytes.subarray(0, HASH_BYTES))) throw pageTokenInvalid();
      const place = places.read(text);
      if (place === undefined) throw pageTokenInvalid();
      return place;
    },
  };
}

/** A key that is read once it is needed, and again if that fails. */
export function keyOnce(read: () => Promise<Uint8Array>): () => Promise<Uint8Array> {
  let known: Promise<Uint8Array> | undefined;
  return () => {
    known ??= read().catch((error: unknown) => {
      known = undefined;
      throw error;
    });
    return known;
  };
}

const HASH_BYTES = 16;
