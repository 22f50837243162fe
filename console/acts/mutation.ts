import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Account, Entry, Lot } from "../../gen/points/v1/account_pb.ts";
import {
  ExpireRequestSchema,
  type GetEntryResponse,
  type Operation,
  RechargeRequestSchema,
  RefundRequestSchema,
  ReleaseRequestSchema,
  RevokeRequestSchema,
  Shortfall,
} from "../../gen/points/v1/points_pb.ts";
import {
  DeletePolicyRequestSchema,
  type PolicyStatus,
  PutPolicyRequestSchema,
} from "../../gen/points/v1/policies_pb.ts";
import type { Act } from "../parts/acts.ts";
import { lotToRevoke } from "./lot-to-revoke.ts";
import { categoryOf, servicesOf } from "./lot-values.ts";
import type { Followed } from "./followed.ts";
import { policyOf } from "./policy-rule.ts";
import { type Faults, POINTS_MAX, type Reading, reading, type Values } from "./values.ts";

/** What a form asks the server to do. */
export type Mutation = Extract<
  Operation["operation"],
  {
    case: "refund" | "recharge" | "revoke" | "expire" | "release" | "putPolicy" | "deletePolicy";
  }
>;

/** What each mutation is answered with. */
export type Answer = {
  /** Undefined: there was nothing to do. */
  readonly entry?: Entry | undefined;
  readonly account?: Account | undefined;
  /** The first answer again: it was done before. */
  readonly replayed: boolean;
  /** Of a preview: what would follow by itself. Undefined: that cannot be said. */
  readonly followed?: readonly Followed[] | undefined;
};

/** What a form was opened on, and the request id of all that it sends. */
export type Opened = {
  readonly act: Act;
  readonly user: string;
  readonly requestId: string;
  /** The entry that is refunded, that made the lot or the hold. */
  readonly about?: GetEntryResponse | undefined;
  /** The lot; undefined: it has nothing left. */
  readonly lot?: Lot | undefined;
  /** The policy that is changed or ended. */
  readonly policy?: PolicyStatus | undefined;
};

/** A value of metadata. */
const VALUE = { bytes: 256 };

/** Makes the request of a form's values, or says what is wrong with them. */
export function mutationOf(
  opened: Opened,
  values: Values,
): { readonly mutation: Mutation } | { readonly faults: Faults } {
  const read = reading(values);
  const mutation = request(opened, read);
  return Object.keys(read.faults).length === 0 ? { mutation } : { faults: read.faults };
}

function request(opened: Opened, read: Reading): Mutation {
  const words = wordsOf(opened, read);
  const { about, policy } = opened;
  const guard = about?.entry && { number: about.entry.sequence, expectedHash: about.entry.hash };
  switch (opened.act) {
    case "refund":
      return { case: "refund", value: refundOf(words, read, guard) };
    case "recharge":
      return { case: "recharge", value: rechargeOf(words, read) };
    case "revoke":
      return {
        case: "revoke",
        value: revokeOf(words, read, guard && { ...guard, ...lotToRevoke(opened) }),
      };
    case "expire":
      return { case: "expire", value: expireOf(words, read, guard) };
    case "release": {
      const { number = 0n, expectedHash } = guard ?? {};
      const name = { hold: number, ...(expectedHash && { expectedHash }) };
      return { case: "release", value: create(ReleaseRequestSchema, { ...words, ...name }) };
    }
    case "policy": {
      const rule = policyOf(read, policy);
      return {
        case: "putPolicy",
        value: create(PutPolicyRequestSchema, { ...words, policy: rule }),
      };
    }
    case "delete-policy": {
      const name = policy?.policy?.name ?? "";
      return { case: "deletePolicy", value: create(DeletePolicyRequestSchema, { ...words, name }) };
    }
  }
}

type Words = ReturnType<typeof wordsOf>;

/** What each request says of who asks and why. */
function wordsOf({ user, requestId }: Opened, read: Reading) {
  const actor = read.requiredText("actor", { chars: 128 });
  const reason = read.requiredText("reason", VALUE);
  const ticket = read.text("ticket", VALUE);
  const metadata = ticket === "" ? { reason } : { reason, ticket };
  return { userId: user, requestId, metadata, actor };
}

/** The number of an entry, and its hash: no other entry may have that number. */
type Guard = { readonly number: bigint; readonly expectedHash: Uint8Array } | undefined;

function refundOf(words: Words, read: Reading, guard: Guard) {
  const points = read.whole("points", 1n, POINTS_MAX);
  const reissueTtl = read.values.reissue === "reissue" ? read.requiredDays("days") : undefined;
  return create(RefundRequestSchema, {
    ...words,
    sequence: guard?.number ?? 0n,
    ...(guard && { expectedHash: guard.expectedHash }),
    ...(points !== undefined && { points }),
    ...(reissueTtl && { reissueTtl }),
  });
}

function rechargeOf(words: Words, read: Reading) {
  const points = read.requiredWhole("points", 1n, POINTS_MAX);
  return create(RechargeRequestSchema, {
    ...words,
    points,
    expiration: expirationOf(read),
    priority: Number(read.whole("priority", 0n, 1_000n) ?? 0n),
    category: categoryOf(read),
    services: servicesOf(read),
  });
}

function expirationOf(
  read: Reading,
): NonNullable<MessageInitShape<typeof RechargeRequestSchema>["expiration"]> {
  switch (read.values.expires) {
    case "days": {
      const value = read.requiredDays("days");
      return value ? { case: "ttl", value } : NEVER;
    }
    case "at": {
      if (read.values.expireTime === "") read.fault("expireTime", "required");
      const value = read.time("expireTime");
      return value ? { case: "expireTime", value } : NEVER;
    }
    default:
      return NEVER;
  }
}

const NEVER = { case: undefined };

const SHORTFALLS = {
  "": Shortfall.REFUSE,
  refuse: Shortfall.REFUSE,
  take: Shortfall.TAKE,
  owe: Shortfall.OWE,
};

/** A lot, and what of it can be revoked. */
type RevokedLot = NonNullable<Guard> & { readonly left?: bigint; readonly there?: bigint };

function revokeOf(words: Words, read: Reading, lot: RevokedLot | undefined) {
  const { shortfall } = read.values;
  const onShortfall = SHORTFALLS[shortfall as keyof typeof SHORTFALLS];
  if (lot === undefined) {
    const value = read.requiredWhole("points", 1n, POINTS_MAX);
    const target = { case: "points", value } as const;
    return create(RevokeRequestSchema, { ...words, target, onShortfall });
  }
  const { number, expectedHash, left = 0n, there = 0n } = lot;
  const lotPoints = read.whole("points", 1n, POINTS_MAX);
  if (shortfall === "" && (lotPoints ?? left) > there) read.fault("shortfall", "required");
  return create(RevokeRequestSchema, {
    ...words,
    target: { case: "lot", value: number },
    expectedHash,
    onShortfall,
    ...(lotPoints !== undefined && { lotPoints }),
  });
}

function expireOf(words: Words, read: Reading, guard: Guard) {
  if (guard !== undefined) {
    const { number, expectedHash } = guard;
    const target = { case: "lot", value: number } as const;
    return create(ExpireRequestSchema, { ...words, target, expectedHash });
  }
  if (read.values.target === "due") {
    return create(ExpireRequestSchema, { ...words, target: { case: "due", value: true } });
  }
  const value = read.requiredWhole("points", 1n, POINTS_MAX);
  return create(ExpireRequestSchema, { ...words, target: { case: "points", value } });
}
