import type { Micros } from "./time.ts";

/** The name that a caller gave to a request, and the hash of all that it asked for. */
export type Request = {
  /** 1 to 128 printable ASCII characters, unique per user for ever. */
  readonly id: string;
  /** SHA-256 of the request as the client sent it, without the id: 32 bytes. */
  readonly fingerprint: Uint8Array;
};

/** What a caller wrote on a request. */
export type Metadata = ReadonlyMap<string, string>;

/** When points expire. */
export type Expiration =
  | { readonly kind: "never" }
  | { readonly kind: "at"; readonly time: Micros }
  | { readonly kind: "after"; readonly ttl: Micros };

/** What an Expire takes. */
export type ExpireTarget =
  | { readonly kind: "points"; readonly points: bigint }
  | { readonly kind: "lot"; readonly lot: bigint }
  | { readonly kind: "due" };

type Mutation = {
  readonly userId: string;
  /** Undefined: a repeat is a new operation. */
  readonly request: Request | undefined;
  readonly metadata: Metadata;
};

/** Gets the account, and makes it if there is none. */
export type Open = { readonly kind: "open"; readonly userId: string };

/** Adds points as a new lot, and makes the account if there is none. */
export type Recharge = Mutation & {
  readonly kind: "recharge";
  readonly points: bigint;
  readonly expiration: Expiration;
  readonly priority: number;
};

/** Spends points in burn order, all or none. */
export type Consume = Mutation & { readonly kind: "consume"; readonly points: bigint };

/** Takes points away as expired. */
export type Expire = Mutation & { readonly kind: "expire"; readonly target: ExpireTarget };

/** What can be asked of an account. Its limits are checked before it comes here. */
export type Command = Open | Recharge | Consume | Expire;
