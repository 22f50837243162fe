import type { Lot } from "./lot.ts";
import type { Allowance, Rule } from "./policy.ts";
import type { CostByInstant, CostOrRefusal } from "./prices.ts";
import type { Micros } from "./time.ts";

/** The id that a caller gave to a request (its idempotency key), and the hash of its content. */
export type Request = {
  /** 1 to 128 printable ASCII characters, unique per user for ever. */
  readonly id: string;
  /** SHA-256 of the request as the client sent it, without the id: 32 bytes. */
  readonly hash: Uint8Array;
};

/** A request as its entry or receipt records it. */
export type RecordedRequest = {
  /** Empty: it was erased. */
  readonly id: string;
  /** 16 bytes: see `fingerprintOf`. */
  readonly fingerprint: Uint8Array;
};

/** The key-value pairs that a caller put on a request. */
export type Metadata = ReadonlyMap<string, string>;

/** When points or a hold expire: at an instant, or a length of time after now. */
export type Deadline =
  { readonly kind: "at"; readonly time: Micros } | { readonly kind: "after"; readonly ttl: Micros };

/** When points expire, if ever. */
export type Expiration = { readonly kind: "never" } | Deadline;

/**
 * What an Expire takes: points in burn order, all of one lot, or only what is due; of that, for the
 * sweeper, only what does not wait for a visit: see `Mode`.
 */
export type ExpireTarget =
  | { readonly kind: "points"; readonly points: bigint }
  | ({ readonly kind: "lot"; readonly lot: bigint } & Guarded)
  | { readonly kind: "due" }
  | { readonly kind: "sweep" };

/** What a Revoke takes: points in burn order, or points of one lot, undefined: all not yet revoked. */
export type RevokeTarget =
  | { readonly kind: "points"; readonly points: bigint }
  | ({ readonly kind: "lot"; readonly lot: bigint; readonly points: bigint | undefined } & Guarded);

/** What names something by the number of an entry may say which entry it means: see guard.ts. */
export type Guarded = {
  /** The hash of that entry, 32 bytes; undefined: whichever has the number. */
  readonly expectedHash?: Uint8Array | undefined;
};

type MutationOf<Kind extends string, Content> = Content & {
  readonly kind: Kind;
  readonly userId: string;
  /** Undefined: a repeat is a new operation. */
  readonly request: Request | undefined;
  readonly metadata: Metadata;
  /** The caller's name; empty where callers are not authenticated. */
  readonly caller: string;
  /** The person or job on whose behalf the caller acts; empty: not said. */
  readonly actor: string;
  /** The most points that the caller may move by it; left out: any number. */
  readonly maxPoints?: bigint | undefined;
  /** Whether it is only decided and answered, and nothing of it kept: see trial.ts. */
  readonly validateOnly?: boolean | undefined;
};

/**
 * What a command costs: see `costAt`. Prices are looked up before the ledger sees the command, by all
 * lists; the batch's instant decides between them. A missing price is refused only after repeats were
 * answered.
 */
export type AskedCost = CostOrRefusal | CostByInstant;

/**
 * What becomes of the points of a cost that the balance lacks: the command is refused, they stay
 * uncovered, or they become debt, as far as the account's credit line goes.
 */
export type Shortfall = "refuse" | "take" | "owe";

/** Who of a shared account spends; empty: not said. */
type Spender = { readonly member: string };

/** Gets the account, and makes it if there is none. */
export type Open = {
  readonly kind: "open";
  readonly userId: string;
  /** The caller's name; left out: not authenticated. */
  readonly caller?: string;
};

/** Adds points as a new lot, and makes the account if there is none. */
export type Recharge = MutationOf<
  "recharge",
  Pick<Lot, "points" | "priority" | "category" | "services"> & { readonly expiration: Expiration }
>;

/** Spends points in burn order, all or none unless `onShortfall` says more. */
export type Consume = MutationOf<
  "consume",
  Spender & { readonly cost: AskedCost; readonly onShortfall: Shortfall }
>;

/** Takes points away as expired. */
export type Expire = MutationOf<"expire", { readonly target: ExpireTarget }>;

/**
 * Takes points away that the user should not have had. What the balance, or the lot, lacks goes by
 * `onShortfall`: see `revoke`.
 */
export type Revoke = MutationOf<
  "revoke",
  {
    readonly target: RevokeTarget;
    /** No credit line bounds what is owed: the points were never the user's. */
    readonly onShortfall: Shortfall;
  }
>;

/** Sets points aside in burn order, all or none, until a deadline. */
export type Freeze = MutationOf<
  "freeze",
  Spender & { readonly cost: AskedCost; readonly expiration: Deadline }
>;

/** Adds points to an open hold, or gives it more time, or both. */
export type ExtendHold = MutationOf<
  "extendHold",
  Guarded & {
    readonly hold: bigint;
    /** Undefined: no points. */
    readonly more: AskedCost | undefined;
    /** Undefined: it ends as before. */
    readonly expiration: Deadline | undefined;
  }
>;

/**
 * Spends from a hold. The rest goes back, unless `keepOpen`: then the hold keeps it. Without a cost it
 * spends all that the hold still has. Of a cost beyond that the balance pays what it can, and the rest
 * goes by `onShortfall`; "refuse" refuses any such cost.
 */
export type Settle = MutationOf<
  "settle",
  Guarded & {
    readonly hold: bigint;
    readonly cost: AskedCost | undefined;
    readonly onShortfall: Shortfall;
    readonly keepOpen: boolean;
  }
>;

/** Gives all that a hold still has back. */
export type Release = MutationOf<"release", Guarded & { readonly hold: bigint }>;

/** Gives spent points back. */
export type Refund = MutationOf<
  "refund",
  Guarded & {
    /** The sequence of the consume, settle or revoke entry. */
    readonly sequence: bigint;
    /** Undefined: all that is not yet refunded. */
    readonly points: bigint | undefined;
    /** The life of a new lot for points whose lot has expired; undefined: they stay expired. */
    readonly reissueTtl: Micros | undefined;
  }
>;

/** Sets a policy, and makes the account if there is none. */
export type PutPolicy = MutationOf<
  "putPolicy",
  { readonly name: string; readonly rule: AskedRule }
>;

/** A rule as it is asked for: an allowance may leave open when it starts, which is now. */
export type AskedRule =
  | Exclude<Rule, Allowance>
  | (Omit<Allowance, "startTime"> & { readonly startTime: Micros | undefined });

/** Ends a policy. */
export type DeletePolicy = MutationOf<"deletePolicy", { readonly name: string }>;

/** A command that changes an account and that a client may repeat. */
export type Mutation =
  | Recharge
  | Consume
  | Expire
  | Revoke
  | Freeze
  | ExtendHold
  | Settle
  | Release
  | Refund
  | PutPolicy
  | DeletePolicy;

/** A command on one account. The limits of single fields were checked before. */
export type Command = Open | Mutation;
