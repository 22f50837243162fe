import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  GetPriceListResponseSchema,
  OperationSchema,
  Shortfall,
} from "../../../gen/points/v1/points_pb.ts";
import type { AskedCost, Command, Expiration } from "../../../src/ledger/command.ts";
import { isTrial } from "../../../src/ledger/trial.ts";
import type { Cost } from "../../../src/ledger/prices.ts";
import { guarded, used } from "../../support/commands.ts";
import { costNow, type Expected, Model } from "../../support/model.ts";
import { LONG_MS } from "../../support/patience.ts";
import { randomSteps, type Step } from "../../support/random-commands.ts";
import { decide, type SetOperation } from "./decide.ts";
import { pricesOf } from "./pricing.ts";
import { dueDraft, isDue } from "./due.ts";
import { append, type Dated, emptyReplay, type Replayed } from "./replay.ts";
import { timestampOf } from "./time.ts";

test(
  "the torture's oracle agrees with the naive model on 10,000 random commands",
  () => {
    let compared = 0;
    fc.assert(
      fc.property(randomSteps(150), (steps) => {
        compared += compare(steps);
      }),
      { numRuns: 100 },
    );
    expect(compared).toBeGreaterThan(10_000);
  },
  LONG_MS,
);

test("lots that are due together expire in entries of 500, by number", () => {
  const account = emptyReplay(1n);
  const [soon, later] = [timestampOf(5n), timestampOf(9n)];
  // Burn order is the opposite of the numbers' order.
  for (let lot = 0; lot < 1_201; lot += 1) run(account, recharge(soon, 1_000 - (lot % 1_001)));
  run(account, recharge(later, 0));
  const entries = [];
  for (let due; isDue(account, 7n) && (due = dueDraft(account)) !== undefined;) {
    entries.push({ time: due.time, lots: due.parts.map(({ lot }) => Number(lot)) });
    append(account, due);
  }
  const numbers = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => from + index);
  expect(entries).toEqual([
    { time: 5n, lots: numbers(1, 500) },
    { time: 5n, lots: numbers(501, 1_000) },
    { time: 5n, lots: numbers(1_001, 1_201) },
  ]);
});

test("an account has at most 4,096 open lots and 16,384 open holds", () => {
  const account = emptyReplay(1n);
  for (let lot = 0; lot < 4_096; lot += 1) expect(run(account, recharge())).toBeUndefined();
  expect(run(account, recharge())).toBe("ACCOUNT_FULL");
  const freeze: Init = { case: "freeze", value: { cost: { case: "points", value: 1n } } };
  for (let hold = 0; hold < 16_384; hold += 1) expect(run(account, freeze)).toBeUndefined();
  expect(run(account, freeze)).toBe("ACCOUNT_FULL");
});

type Init = NonNullable<MessageInitShape<typeof OperationSchema>["operation"]>;

function recharge(expireTime?: ReturnType<typeof timestampOf>, priority = 0): Init {
  const expiration =
    expireTime === undefined
      ? ({ case: undefined } as const)
      : ({ case: "expireTime", value: expireTime } as const);
  return { case: "recharge", value: { points: 10n, priority, expiration } };
}

/** Applies an operation at the instant 2; gives the reason if it is refused. */
function run(account: Replayed, operation: Init): string | undefined {
  const made = create(OperationSchema, { operation }).operation as SetOperation;
  const decided = decide(account, made, 2n, PRICES)!;
  if ("refused" in decided) return decided.refused;
  append(account, decided);
  return undefined;
}

const PRICES = pricesOf(
  create(GetPriceListResponseSchema, {
    priceVersion: "v1",
    prices: [
      { service: "nothing at all", charge: { case: "free", value: {} } },
      ...["tts", "script", "image"].map((service) => ({
        service,
        charge: { case: "quantity" as const, value: { points: 1n } },
      })),
    ],
  }),
  0n,
);

/** Runs the steps on both; gives the number of commands compared. */
function compare(steps: readonly Step[]): number {
  const model = new Model();
  const accounts = new Map<string, Replayed>();
  let now = 1n;
  let compared = 0;
  for (const { laterBy, commands } of steps) {
    now += laterBy;
    for (const unaimed of commands) {
      // The load has no trials, and the oracle does not know them.
      if (isTrial(unaimed)) continue;
      const command = asSent(model.aim(unaimed), now);
      if (command.kind === "revoke") continue;
      const expected = model.run(command, now);
      // Everything due is booked before a command, even before one that is refused.
      const found = accounts.get(command.userId);
      const due = found && book(found, now);
      // The checker checks repeats (idempotency); the oracle does not know them.
      if ("reason" in expected ? expected.reason === "REQUEST_ID_REUSED" : expected.replayed) {
        continue;
      }
      expect(outcomeOf(accounts, command, now, due)).toEqual(withoutRepeat(expected));
      compared += 1;
    }
  }
  return compared;
}

/** Only a free service costs 0 points in the contract. The torture's load names entries by number. */
function asSent(command: Command, now: bigint): Command {
  if (command.kind === "open") return command;
  const unguarded = guarded(command, undefined);
  const { kind } = unguarded;
  const sent = (asked: AskedCost | undefined) => {
    const cost = asked && costNow(asked, now);
    return cost === undefined || "reason" in cost ? cost : costSent(cost);
  };
  if (kind === "extendHold") return { ...unguarded, more: sent(unguarded.more) };
  if (kind !== "consume" && kind !== "settle" && kind !== "freeze") return unguarded;
  return { ...unguarded, cost: sent(unguarded.cost) } as Command;
}

function costSent({ points, usage }: Cost): Cost {
  if (points === 0n) return { points, usage: used({ service: FREE }) };
  if (usage === null) return { points, usage };
  return {
    points,
    usage: used({ service: SERVICES.find((one) => one === usage.service) ?? "tts" }),
  };
}

const FREE = "nothing at all";
/** Each costs a point a piece. */
const SERVICES = ["tts", "script", "image"];

function withoutRepeat(expected: Expected) {
  if ("reason" in expected) return expected;
  const { replayed: _, created: __, hold: ___, ...rest } = expected;
  const { totalRevoked: ____, ...account } = rest.account;
  return { ...rest, account };
}

function outcomeOf(
  accounts: Map<string, Replayed>,
  command: Command,
  now: bigint,
  due: Dated | undefined,
) {
  const { userId, kind } = command;
  const found = accounts.get(userId);
  if (found === undefined && kind !== "open" && kind !== "recharge") {
    return { reason: "ACCOUNT_NOT_FOUND" };
  }
  const account = found ?? emptyReplay(now);
  let own: Dated | undefined;
  if (command.kind !== "open" && command.kind !== "revoke") {
    const prices = { ...PRICES, creditLine: creditLineOf(command) };
    const decided = decide(account, toOperation(command, now), now, prices);
    if (decided !== undefined && "refused" in decided) return { reason: decided.refused };
    if (decided !== undefined) append(account, decided);
    const isForDue = command.kind === "expire" && command.target.kind === "due";
    own = isForDue ? due : decided;
  }
  accounts.set(userId, account);
  const outcome = {
    kind: own?.kind,
    keptOpen: own?.keptOpen ?? false,
    time: own?.time,
    points: own?.points ?? 0n,
    allocations: own?.parts ?? [],
    debts: debtsOf(own),
    account: figuresOf(account),
  };
  book(account, now);
  return outcome;
}

function debtsOf({
  owed = 0n,
  uncovered = 0n,
  repaid = 0n,
  fromBalance = 0n,
}: Partial<Dated> = {}) {
  return { owed, uncovered, repaid, fromBalance };
}

/** Each random command has one of its own. */
function creditLineOf(command: Command): bigint {
  if (command.kind !== "consume" && command.kind !== "settle") return 0n;
  return command.onShortfall.kind === "owe" ? command.onShortfall.creditLine : 0n;
}

/** Books everything due, and gives the last of these entries. */
function book(account: Replayed, now: bigint): Dated | undefined {
  let last: Dated | undefined;
  while (isDue(account, now)) append(account, (last = dueDraft(account)!));
  return last;
}

function figuresOf(account: Replayed) {
  const { sequence, balance, frozen } = account;
  const { totalRecharged, totalConsumed, totalExpired, totalRefunded, debt } = account;
  return {
    sequence,
    balance,
    frozen,
    totalRecharged,
    totalConsumed,
    totalExpired,
    totalRefunded,
    debt,
  };
}

type Mutation = Exclude<Command, { kind: "open" | "revoke" }>;

function toOperation(command: Mutation, now: bigint): SetOperation {
  return create(OperationSchema, { operation: initOf(command, now) }).operation as SetOperation;
}

function initOf(command: Mutation, now: bigint): Init {
  const { kind } = command;
  switch (kind) {
    case "recharge": {
      const { points, priority, category, expiration } = command;
      const lot = { points, priority, category, services: [...command.services] };
      return { case: kind, value: { ...lot, expiration: expirationOf(expiration) } };
    }
    case "consume":
      return { case: kind, value: { cost: costOf(command.cost, now), ...shortfallOf(command) } };
    case "freeze": {
      const { cost, expiration } = command;
      const end = expirationOf(expiration);
      return { case: kind, value: { cost: costOf(cost, now), expiration: end } };
    }
    case "extendHold": {
      const { hold, more, expiration } = command;
      const asked = more === undefined ? {} : { more: costOf(more, now) };
      const end = expiration === undefined ? {} : { expiration: expirationOf(expiration) };
      return { case: kind, value: { hold, ...asked, ...end } };
    }
    case "settle": {
      const { hold, cost, keepOpen } = command;
      const asked = cost === undefined ? {} : { cost: costOf(cost, now) };
      return { case: kind, value: { hold, ...asked, keepOpen, ...shortfallOf(command) } };
    }
    case "release":
      return { case: kind, value: { hold: command.hold } };
    case "refund": {
      const { sequence, points, reissueTtl } = command;
      const life = reissueTtl === undefined ? {} : { reissueTtl: durationOf(reissueTtl) };
      return {
        case: kind,
        value: { sequence, ...(points === undefined ? {} : { points }), ...life },
      };
    }
    case "expire": {
      const { target } = command;
      if (target.kind === "due")
        return { case: kind, value: { target: { case: "due", value: true } } };
      if (target.kind === "lot") {
        return { case: kind, value: { target: { case: "lot", value: target.lot } } };
      }
      return { case: kind, value: { target: { case: "points", value: target.points } } };
    }
  }
}

function shortfallOf({ onShortfall }: Extract<Command, { kind: "consume" | "settle" }>) {
  const of = { refuse: Shortfall.UNSPECIFIED, take: Shortfall.TAKE, owe: Shortfall.OWE };
  return { onShortfall: of[onShortfall.kind] };
}

function costOf(asked: AskedCost, now: bigint) {
  const cost = costNow(asked, now);
  if ("reason" in cost) return { case: "usage" as const, value: { service: "unheard of" } };
  if (cost.points === 0n) return { case: "usage" as const, value: { service: FREE } };
  if (cost.usage === null) return { case: "points" as const, value: cost.points };
  const amount = { case: "quantity" as const, value: cost.points };
  return { case: "usage" as const, value: { service: cost.usage.service, amount } };
}

function expirationOf(expiration: Expiration) {
  switch (expiration.kind) {
    case "never":
      return { case: undefined };
    case "at":
      return { case: "expireTime" as const, value: timestampOf(expiration.time) };
    case "after":
      return { case: "ttl" as const, value: durationOf(expiration.ttl) };
  }
}

function durationOf(micros: bigint) {
  return { seconds: micros / 1_000_000n, nanos: Number(micros % 1_000_000n) * 1000 };
}
