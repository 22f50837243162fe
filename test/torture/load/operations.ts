import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Entry, EntryKind } from "../../../gen/points/v1/account_pb.ts";
import { OperationSchema, Shortfall } from "../../../gen/points/v1/points_pb.ts";
import type { Random } from "../../support/random.ts";
import type { SetOperation } from "../oracle/decide.ts";
import { timestampOf } from "../oracle/time.ts";
import type { Asked, Caller, History } from "./history.ts";

/** An account under load, and the entries that its clients have seen, newest last. */
export type Account = {
  readonly history: History;
  readonly seen: Readonly<Record<"lots" | "holds" | "spends", Seen[]>>;
};

/** An entry that made a lot or a hold, or that spent or revoked points. */
type Seen = Pick<Entry, "sequence" | "hash">;

/** Expiries at a given instant fall on multiples of this, so that many coincide. */
export const BOUNDARY_MICROS = 250_000n;

type Init = NonNullable<MessageInitShape<typeof OperationSchema>["operation"]>;
type Value = {
  userId: string;
  requestId: string;
  metadata: Record<string, string>;
  actor: string;
};

const WEIGHTS = {
  recharge: 22,
  consume: 36,
  expire: 5,
  revoke: 6,
  freeze: 12,
  extendHold: 5,
  settle: 11,
  release: 4,
  refund: 12,
  putPolicy: 3,
  deletePolicy: 1,
} as const satisfies Record<SetOperation["case"], number>;

const SEEN_MAX = 12;

/** An account with an empty history. */
export function newAccount(userId: string, caller: Caller): Account {
  return {
    history: { userId, caller, asked: [], opened: [], openedFrom: Infinity },
    seen: { lots: [], holds: [], spends: [] },
  };
}

/** Remembers the entry of an answer, so that later operations can refer to it. */
export function learn({ seen }: Account, entry: Entry): void {
  const { sequence, hash } = entry;
  const list = listOf(seen, entry);
  if (list === undefined || list.some((one) => one.sequence === sequence)) return;
  list.push({ sequence, hash });
  if (list.length > SEEN_MAX) list.shift();
}

function listOf(seen: Account["seen"], { kind, sequence, allocations }: Entry): Seen[] | undefined {
  switch (kind) {
    case EntryKind.RECHARGE:
      return seen.lots;
    case EntryKind.FREEZE:
      return seen.holds;
    case EntryKind.CONSUME:
    case EntryKind.SETTLE:
    case EntryKind.REVOKE:
      return seen.spends;
    case EntryKind.REFUND:
      return allocations.at(-1)?.lot === sequence ? seen.lots : undefined;
    default:
      return undefined;
  }
}

/**
 * Generates the next operation of an account. Most are new, 4% repeat an earlier operation
 * (idempotency), and 1% reuse the request id of another operation.
 *
 * @param tag the name of a new operation
 * @param now the approximate time of the database: microseconds since 1970
 */
export function nextAsked(random: Random, account: Account, tag: string, now: bigint): Asked {
  const { asked } = account.history;
  const before = asked.length > 0 && random.chance(0.04) ? recent(random, asked) : undefined;
  // Without a request id a repeat would be a new operation.
  if (before !== undefined && before.operation.value.requestId !== "") return before;
  const stolen = asked.length > 0 && random.chance(0.01) ? recent(random, asked) : undefined;
  const requestId = stolen?.operation.value.requestId ?? (random.chance(0.85) ? tag : "");
  const metadata = metadataOf(random, tag, requestId === "" || stolen !== undefined);
  const operation = newOperation(random, account, now, {
    userId: account.history.userId,
    requestId,
    metadata,
    actor: random.chance(0.2) ? "Ana Ångström 🛠" : "",
  });
  const next = { tag, operation, attempts: [] };
  asked.push(next);
  return next;
}

/** Generates an operation that is only to be validated: no entry may ever have its id. */
export function newTrial(
  random: Random,
  account: Account,
  requestId: string,
  now: bigint,
): SetOperation {
  const common = { userId: account.history.userId, requestId, metadata: {}, actor: "" };
  const operation = newOperation(random, account, now, common);
  operation.value.validateOnly = true;
  return operation;
}

function recent(random: Random, asked: readonly Asked[]): Asked {
  return asked[asked.length - random.whole(1, Math.min(asked.length, 40))]!;
}

function metadataOf(random: Random, tag: string, mustHaveTag: boolean): Record<string, string> {
  const tagged = mustHaveTag || random.chance(0.3) ? { tag } : {};
  return random.chance(0.1) ? { zuletzt: "für Ada 🪙", ...tagged, Also: '"\\' } : tagged;
}

function newOperation(random: Random, account: Account, now: bigint, common: Value): SetOperation {
  const content = contentOf(random, account, now);
  const init = { case: content.case, value: { ...content.value, ...common } } as Init;
  return create(OperationSchema, { operation: init }).operation as SetOperation;
}

function contentOf(random: Random, { seen }: Account, now: bigint): Init {
  const kind = random.weighted(WEIGHTS);
  switch (kind) {
    case "recharge": {
      const value = {
        // Some are malformed.
        points: random.chance(0.005) ? 0n : BigInt(random.whole(1, 250)),
        priority: random.chance(0.7) ? 0 : random.whole(1, 3),
        expiration: random.chance(0.4) ? { case: undefined } : expirationOf(random, now),
        category: random.chance(0.7) ? "" : random.pick(["gift", "bezahlt"]),
        services: random.chance(0.75) ? [] : ["tts", "script", "video"].slice(random.below(3)),
      };
      return { case: kind, value };
    }
    case "consume":
      return { case: kind, value: { cost: costOf(random, 160), ...shortfallOf(random) } };
    case "expire":
      return { case: kind, value: targetOf(random, seen.lots) };
    case "revoke":
      return { case: kind, value: revocationOf(random, seen.lots) };
    case "freeze": {
      // Many last long enough to be settled in parts.
      const expiration = random.chance(0.4) ? { case: undefined } : expirationOf(random, now);
      return { case: kind, value: { cost: costOf(random, 80), expiration } };
    }
    case "extendHold": {
      const named = holdOf(random, seen.holds);
      const more = costOf(random, 40);
      const expiration = expirationOf(random, now);
      const what = random.pick([{ more }, { expiration }, { more, expiration }]);
      return { case: kind, value: { ...named, ...what } };
    }
    case "settle": {
      const cost = random.chance(0.3) ? { case: undefined } : costOf(random, 80);
      const keepOpen = random.chance(0.5);
      const named = holdOf(random, seen.holds);
      return { case: kind, value: { ...named, cost, keepOpen, ...shortfallOf(random) } };
    }
    case "release":
      return { case: kind, value: holdOf(random, seen.holds) };
    case "refund": {
      const value = {
        ...oneOf(random, seen.spends),
        ...(random.chance(0.4) ? {} : { points: BigInt(random.whole(1, 90)) }),
        ...(random.chance(0.5) ? {} : { reissueTtl: lifeOf(random) }),
      };
      return { case: kind, value };
    }
    case "putPolicy":
      return { case: kind, value: { policy: policyOf(random) } };
    case "deletePolicy":
      return { case: kind, value: { name: random.pick(POLICY_NAMES) } };
  }
}

/** A credit line or an alert, now and then under a name that has the other kind. */
function policyOf(random: Random) {
  const kind = random.weighted({ creditLine: 2, alert: 1 });
  const name = random.chance(0.05) ? random.pick(POLICY_NAMES) : kind;
  if (kind === "creditLine") {
    return { name, rule: { case: kind, value: { points: BigInt(random.whole(0, 300)) } } } as const;
  }
  return { name, rule: { case: kind, value: { below: BigInt(random.whole(-50, 200)) } } } as const;
}

const POLICY_NAMES = ["creditLine", "alert", "any"];

function costOf(random: Random, most: number) {
  if (random.chance(0.7)) {
    return { case: "points", value: BigInt(random.whole(1, most)) } as const;
  }
  const usages = [
    { service: "script" },
    { service: "caption" },
    { service: "voice_clone" },
    { service: "tts", amount: { case: "duration", value: lengthOf(random) } },
    { service: "video", amount: { case: "duration", value: lengthOf(random) } },
    { service: "tts" },
    {
      service: "chat",
      meters: { output_tokens: tokensOf(random), input_tokens: tokensOf(random) },
    },
    { service: "chat", meters: { input_tokens: 1n } },
    { service: "unheard-of" },
  ] as const;
  return { case: "usage", value: random.pick(usages) } as const;
}

function tokensOf(random: Random): bigint {
  return BigInt(random.whole(0, 3_000));
}

function shortfallOf(random: Random, weights = { REFUSE: 6, TAKE: 1, OWE: 2 }) {
  return { onShortfall: Shortfall[random.weighted(weights)] };
}

function targetOf(random: Random, lots: readonly Seen[]) {
  const kind = random.weighted({ points: 3, lot: 4, due: 3 });
  if (kind === "lot") return lotOf(random, lots);
  if (kind === "due") return { target: { case: kind, value: true } } as const;
  return { target: { case: kind, value: BigInt(random.whole(1, 60)) } } as const;
}

function revocationOf(random: Random, lots: readonly Seen[]) {
  const some = random.chance(0.6) ? { lotPoints: BigInt(random.whole(1, 120)) } : {};
  // Many claim something.
  const lacking = shortfallOf(random, { REFUSE: 2, TAKE: 5, OWE: 2 });
  if (random.chance(0.75)) return { ...lotOf(random, lots), ...some, ...lacking };
  const target = { case: "points", value: BigInt(random.whole(1, 60)) } as const;
  // Some are malformed.
  return { target, ...(random.chance(0.02) ? some : {}), ...lacking };
}

function lotOf(random: Random, lots: readonly Seen[]) {
  const { sequence, ...guard } = oneOf(random, lots);
  return { target: { case: "lot", value: sequence }, ...guard } as const;
}

function holdOf(random: Random, holds: readonly Seen[]) {
  const { sequence: hold, ...guard } = oneOf(random, holds);
  return { hold, ...guard };
}

function expirationOf(random: Random, now: bigint) {
  if (random.chance(0.35)) {
    // At one of the next few boundaries, or at the last one, which has passed.
    const next = (now / BOUNDARY_MICROS + BigInt(random.whole(0, 8))) * BOUNDARY_MICROS;
    return { case: "expireTime", value: timestampOf(next) } as const;
  }
  return { case: "ttl", value: lifeOf(random) } as const;
}

/** A ttl from a microsecond to days, mostly short. */
function lifeOf(random: Random) {
  const kind = random.weighted({ micros: 1, millis: 5, seconds: 3, days: 2 });
  switch (kind) {
    case "micros":
      return { seconds: 0n, nanos: random.whole(1, 3_000) * 1_000 + 999 };
    case "millis":
      return { seconds: 0n, nanos: random.whole(1_000, 999_999) * 1_000 };
    case "seconds":
      return { seconds: BigInt(random.whole(1, 5)), nanos: 0 };
    case "days":
      return { seconds: 86_400n * BigInt(random.whole(1, 30)), nanos: 0 };
  }
}

function lengthOf(random: Random) {
  const nanos = random.chance(0.5) ? 0 : random.whole(1, 999_999_999);
  return { seconds: BigInt(random.whole(1, 40)), nanos };
}

/**
 * One of these, or sometimes a random number that may name nothing of the kind; now and then with its
 * hash, or with another's.
 */
function oneOf(random: Random, seen: readonly Seen[]) {
  const isAny = seen.length === 0 || random.chance(0.05);
  const { sequence, hash } = isAny ? anyEntry(random) : random.pick(seen);
  const guard = random.weighted({ none: 14, right: 5, wrong: 1 });
  if (guard === "none") return { sequence };
  return { sequence, expectedHash: guard === "right" ? hash : anyEntry(random).hash };
}

function anyEntry(random: Random): Seen {
  return {
    sequence: BigInt(random.whole(1, 400)),
    hash: new Uint8Array(32).fill(random.below(256)),
  };
}
