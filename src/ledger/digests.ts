import type { Account } from "./account.ts";
import type { Metadata, RecordedRequest, Request } from "./command.ts";
import { Encoder } from "../encoding/encoder.ts";
import { sha256 } from "../encoding/sha256.ts";

/** The size of an account's salt: random bytes that are made with the account. */
export const SALT_BYTES = 16;

/** What is personal in an entry or a receipt. */
export type Personal = {
  readonly userId: string;
  /** Undefined: it is of no request with an id. */
  readonly request: Pick<Request, "id"> | undefined;
  readonly metadata: Metadata;
  readonly actor: string;
  readonly member: string;
};

/**
 * The digest, 32 bytes, that stands for what is personal in the hash chain: SHA-256 of the account's
 * salt and the encoding of these fields, with their numbers in Entry of the contract. So the values
 * can be erased and the chain stays whole (erase.ts); without the salt, nobody can find them out by
 * hashing all that they might be.
 */
export function personalDigestOf(salt: Uint8Array, personal: Personal): Uint8Array {
  return writePersonal(encoder.begin(salt), personal).sha256();
}

/** The personal digest of an entry or a receipt: of one that was erased, the digest that was kept. */
export function keptDigestOf(
  salt: Uint8Array,
  personal: Personal & { readonly personalDigest?: Uint8Array },
): Uint8Array {
  return personal.personalDigest ?? personalDigestOf(salt, personal);
}

/**
 * The digest of an account's first name, 32 bytes, by its first salt: who it is in proofs over all
 * accounts, for ever, whatever it is called later.
 */
export function nameDigestOf({ salt, userId }: Pick<Account, "salt" | "userId">): Uint8Array {
  return sha256(salt, Buffer.from(userId));
}

/** Writes what the personal digest covers. */
export function writePersonal(to: Encoder, personal: Personal): Encoder {
  const { userId, request, metadata, actor, member } = personal;
  return to
    .text(1, userId)
    .text(7, request?.id ?? "")
    .map(8, metadata)
    .text(20, actor)
    .text(21, member);
}

const encoder = new Encoder();

/**
 * The fingerprint of a request, 16 bytes: the first half of SHA-256 of the account's salt and the
 * hash of the request. It tells two requests apart that one user named alike; for that half is more
 * than enough.
 */
export function fingerprintOf(salt: Uint8Array, { hash }: Pick<Request, "hash">): Uint8Array {
  return sha256(salt, hash).subarray(0, FINGERPRINT_BYTES);
}

const FINGERPRINT_BYTES = 16;

/** A request as its entry or receipt records it. */
export function recorded(salt: Uint8Array, request: Request): RecordedRequest {
  return { id: request.id, fingerprint: fingerprintOf(salt, request) };
}
