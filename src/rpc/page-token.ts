import { createHmac, timingSafeEqual } from "node:crypto";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { pageTokenInvalid } from "../errors/api-error.ts";
import type { CursorCodec } from "./page-cursors.ts";

type Paged = { pageSize: number; pageToken: string };

/** Page tokens of one RPC: keyset cursors, signed. */
export type PageTokens<Desc extends DescMessage, Cursor> = {
  /** A token for the page after a cursor. */
  write(request: MessageShape<Desc> & Paged, cursor: Cursor): Promise<string>;
  /**
   * The cursor in a request's token; undefined for the first page.
   *
   * @throws PAGE_TOKEN_INVALID
   */
  read(request: MessageShape<Desc> & Paged): Promise<Cursor | undefined>;
};

/**
 * Makes page tokens that an HMAC binds to the ledger and to the whole request but its page size and
 * token. A client cannot make one by hand, so a cursor that was read needs no further check.
 *
 * @param key the same on all servers of a ledger: a load balancer may send the next page elsewhere
 */
export function pageTokens<Desc extends DescMessage, Cursor>(
  schema: Desc,
  cursors: CursorCodec<Cursor>,
  key: () => Promise<Uint8Array>,
): PageTokens<Desc, Cursor> {
  const hashOf = (request: MessageShape<Desc>, cursor: string, withKey: Uint8Array) => {
    const content = toBinary(schema, { ...request, pageSize: 0, pageToken: "" });
    const hash = createHmac("sha256", withKey).update(`${schema.typeName}\n${cursor}\n`);
    return hash.update(content).digest().subarray(0, HASH_BYTES);
  };
  return {
    async write(request, cursor) {
      const text = cursors.write(cursor);
      const hash = hashOf(request, text, await key());
      return Buffer.concat([hash, Buffer.from(text)]).toString("base64url");
    },

    async read(request) {
      const { pageToken } = request;
      if (pageToken === "") return undefined;
      const bytes = Buffer.from(pageToken, "base64url");
      // Node skips characters that are not base64, so many texts would be the same token.
      const isWhole = bytes.toString("base64url") === pageToken && bytes.length > HASH_BYTES;
      if (!isWhole) throw pageTokenInvalid();
      const text = bytes.toString("latin1", HASH_BYTES);
      const hash = hashOf(request, text, await key());
      if (!timingSafeEqual(hash, bytes.subarray(0, HASH_BYTES))) throw pageTokenInvalid();
      const cursor = cursors.read(text);
      if (cursor === undefined) throw pageTokenInvalid();
      return cursor;
    },
  };
}

/** Reads the key when it is first needed, and reads it again if that failed. */
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
