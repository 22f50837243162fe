import { createHash } from "node:crypto";
import { GENESIS_HASH } from "../../src/ledger/account.ts";
import type { Command, Deadline, ExpireTarget, Mutation } from "../../src/ledger/command.ts";
import { needsOf } from "../../src/ledger/needs.ts";
import type { Micros } from "../../src/ledger/time.ts";
import * as ada from "./commands.ts";
import type { Random } from "./random.ts";
import type { Whole } from "./whole-ledger.ts";

/** What the commands of one life are like. */
export type Temper = {
  readonly maxTtl: number;
  /** How often lots never expire. */
  readonly never: number;
  /** The weight of recharges; that of consumes is 6. */
  readonly recharges: number;
  readonly maxPriority: number;
  /** How often a recharge or freeze is repeated some hundred times. */
  readonly bursts: number;
};

/**
 * Commands on an account, mostly about lots, holds and entries that it has: one command, or now and
 * then hundreds of the same.
 */
export function aimedCommands(
  random: Random,
  { userId, whole, now }: { userId: string; whole: Whole; now: Micros },
  temper: Temper,
): readonly Command[] {
  const kind = random.weighted({ ...WEIGHTS, recharge: temper.recharges });
  const made: Mutation = { ...MAKE[kind]({ random, whole, now, temper }), userId };
  const command = random.chance(0.2) ? withHash(random, whole, made) : made;
  if (random.chance(0.05)) return [{ kind: "open", userId }];
  const burst = kind === "recharge" || kind === "freeze" ? temper.bursts : 0;
  if (random.chance(burst)) return Array.from({ length: random.whole(100, 700) }, () => command);
  return [random.chance(0.2) ? withRequest(random, command) : command];
}

type Aim = { random: Random; whole: Whole; now: Micros; temper: Temper };

const WEIGHTS = {
  consume: 6,
  expire: 3,
  freeze: 6,
  extendHold: 4,
  settle: 4,
  settlePart: 4,
  release: 3,
  refund: 5,
};

const MAKE: Record<keyof typeof WEIGHTS | "recharge", (aim: Aim) => Mutation> = {
  recharge: (aim) =>
    ada.rechargeFor(
      someServices(aim),
      somePoints(aim),
      aim.random.chance(aim.temper.never) ? { kind: "never" } : someDeadline(aim),
      { priority: aim.random.whole(0, aim.temper.maxPriority) },
    ),
  consume: (aim) => ada.consume(someCost(aim)),
  freeze: (aim) => ({ ...ada.freeze(someCost(aim)), expiration: someDeadline(aim) }) as Mutation,
  expire: (aim) => ada.expire(someTarget(aim)),
  extendHold: (aim) => {
    const expiration = aim.random.chance(0.5) ? undefined : someDeadline(aim);
    const more = aim.random.chance(0.3) ? {} : { more: someCost(aim) };
    return { ...ada.extendHold(someHold(aim), more), expiration } as Mutation;
  },
  settle: (aim) => ada.settle(someHold(aim), aim.random.chance(0.3) ? undefined : someCost(aim)),
  settlePart: (aim) => ada.settlePart(someHold(aim), someCost(aim)),
  release: (aim) => ada.release(someHold(aim)),
  refund: (aim) =>
    ada.refund(
      someEntry(aim),
      aim.random.chance(0.5) ? undefined : somePoints(aim),
      aim.random.chance(0.5) ? undefined : BigInt(aim.random.whole(1, aim.temper.maxTtl)),
    ),
};

function somePoints({ random, whole }: Aim): bigint {
  const { balance, frozen } = whole.state?.account ?? { balance: 9n, frozen: 9n };
  const odds = random.unit();
  if (odds < 0.03) return 1_000_000_000_000n;
  if (odds < 0.08) return balance + frozen + BigInt(random.whole(1, 9));
  if (odds < 0.12 && balance > 0n) return random.pick([balance, balance + frozen]);
  return BigInt(odds < 0.2 ? random.whole(10, 400) : random.whole(1, 9));
}

function someCost(aim: Aim): ada.Cost {
  const points = aim.random.chance(0.03) ? 0n : somePoints(aim);
  return aim.random.chance(0.6) ? points : ada.usageOf(aim.random.pick(SERVICES), points);
}

/** Mostly none. */
function someServices({ random }: Aim): readonly string[] {
  return random.chance(0.7) ? [] : SERVICES.filter(() => random.chance(0.5));
}

const SERVICES = ["tts", "script", "image"] as const;

function someDeadline({ random, now, temper: { maxTtl } }: Aim): Deadline {
  if (random.chance(0.5)) return { kind: "after", ttl: BigInt(random.whole(1, maxTtl)) };
  return { kind: "at", time: now + BigInt(random.whole(-3, maxTtl)) };
}

function someTarget(aim: Aim): ExpireTarget {
  const { random, whole } = aim;
  const odds = random.unit();
  if (odds < 0.3) return ada.DUE;
  if (odds < 0.6) return { kind: "points", points: somePoints(aim) };
  return {
    kind: "lot",
    lot: one(
      aim,
      whole.state?.lots.map(({ number }) => number),
    ),
  };
}

function someHold(aim: Aim): bigint {
  const open = aim.whole.state?.holds.filter(({ status }) => status === "open");
  return one(
    aim,
    open?.map(({ number }) => number),
  );
}

function someEntry(aim: Aim): bigint {
  const spent = [...aim.whole.entries.values()].filter(
    ({ kind }) => kind === "consume" || kind === "settle",
  );
  return one(
    aim,
    spent.map(({ sequence }) => sequence),
  );
}

/** The entry that it names is meant by the right hash or, now and then, by the last entry's. */
function withHash(random: Random, { state, entries }: Whole, command: Mutation): Mutation {
  const { guarded: entry } = needsOf(ada.guarded(command, GENESIS_HASH));
  if (entry === undefined) return command;
  const hash = random.chance(0.8) ? entries.get(entry)?.hash : state?.account.hash;
  return ada.guarded(command, hash);
}

/** One of these numbers, or any that an entry has or will have soon. */
function one({ random, whole }: Aim, numbers: readonly bigint[] = []): bigint {
  if (numbers.length > 0 && random.chance(0.8)) return random.pick(numbers);
  return BigInt(random.whole(1, Number(whole.state?.account.sequence ?? 0n) + 8));
}

function withRequest(random: Random, command: Mutation): Mutation {
  const text = JSON.stringify(command, (_, value: unknown) =>
    typeof value === "bigint" ? `${value}n` : value,
  );
  const hash = createHash("sha256").update(text).digest();
  return { ...command, request: { id: `r${random.below(1_000)}`, hash } };
}
