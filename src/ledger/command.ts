import { MAX_POINTS } from "./account.ts";
import type { Cost } from "./prices.ts";
import { isRejection, type Rejection } from "./rejection.ts";
import type { Micros } from "./time.ts";

/** An account has at most so many lots that are open. */
export const MAX_OPEN_LOTS = 4_096;

/** An account has at most so many holds that are open. */
export const MAX_OPEN_HOLDS = 16_384;

/** The life of a hold that names none: 24 hours. */
export const HOLD_TTL: Micros = 86_400_000_000n;

/** The name that a caller gave to a request, and the hash of all that it asked for. */
export type Request = {
  /** 1 to 128 printable ASCII characters, unique per user for ever. */
  readonly id: string;
  /** SHA-256 of the request as the client sent it, without the id: 32 bytes. */
  readonly fingerprint: Uint8Array;
};

/** What a caller wrote on a request. */
export type Metadata = ReadonlyMap<string, string>;

/** When points, or a hold, expire. */
export type Expiration =
  | { readonly kind: "never" }
  | { readonly kind: "at"; readonly time: Micros }
  | { readonly kind: "after"; readonly ttl: Micros };

/** What an Expire takes. */
export type ExpireTarget =
  | { readonly kind: "points"; readonly points: bigint }
  | { readonly kind: "lot"; readonly lot: bigint }
  | { readonly kind: "due" };

type MutationOf<Kind extends string, Content> = Content & {
  readonly kind: Kind;
  readonly userId: string;
  /** Undefined: a repeat is a new operation. */
  readonly request: Request | undefined;
  readonly metadata: Metadata;
  /** The name of who asks for it; empty where nobody asks who that is. */
  readonly caller: string;
  /** How many points the caller may move by it; left out: any number. */
  readonly maxPoints?: bigint | undefined;
};

/** A cost, or why there is none: whether a service has a price is looked at after repeats. */
export type CostOrRefusal = Cost | Rejection;

/** Gets the account, and makes it if there is none. */
export type Open = { readonly kind: "open"; readonly userId: string };

/** Adds points as a new lot, and makes the account if there is none. */
export type Recharge = MutationOf<
  "recharge",
  { readonly points: bigint; readonly expiration: Expiration; readonly priority: number }
>;

/** Spends points in burn order, all or none. */
export type Consume = MutationOf<"consume", { readonly cost: CostOrRefusal }>;

/** Takes points away as expired. */
export type Expire = MutationOf<"expire", { readonly target: ExpireTarget }>;

/** Sets points aside in burn order, all or none. It never lasts for ever. */
export type Freeze = MutationOf<
  "freeze",
  { readonly cost: CostOrRefusal; readonly expiration: Exclude<Expiration, { kind: "never" }> }
>;

/** Spends from a hold, once; what is left over goes back. No cost: all of it. */
export type Settle = MutationOf<
  "settle",
  { readonly hold: bigint; readonly cost: CostOrRefusal | undefined }
>;

/** Gives all of a hold back. */
export type Release = MutationOf<"release", { readonly hold: bigint }>;

/** Gives points that were spent back. */
export type Refund = MutationOf<
  "refund",
  {
    /** Of the consume or settle entry. */
    readonly sequence: bigint;
    /** Undefined: all that is not yet refunded. */
    readonly points: bigint | undefined;
    /** The life of a new lot for what has expired since; undefined: it stays expired. */
    readonly reissueTtl: Micros | undefined;
  }
>;

/** What changes an account and may be repeated. */
export type Mutation = Recharge | Consume | Expire | Freeze | Settle | Release | Refund;

/** What can be asked of an account. Its limits are checked before it comes here. */
export type Command = Open | Mutation;

/** How many points a command takes from lots at the most. */
export function mostTaken(command: Command): bigint {
  switch (command.kind) {
    case "consume":
    case "freeze":
      return isRejection(command.cost) ? 0n : command.cost.points;
    case "expire":
      return mostExpired(command.target);
    case "open":
    case "recharge":
    case "settle":
    case "release":
    case "refund":
      return 0n;
  }
}

function mostExpired(target: ExpireTarget): bigint {
  switch (target.kind) {
    case "points":
      return target.points;
    case "lot":
      return MAX_POINTS; // A lot comes of one command.
    case "due":
      return 0n; // What is due is not there to be taken.
  }
}
