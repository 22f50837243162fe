import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { GetPriceListResponseSchema } from "../../../gen/points/v1/points_pb.ts";
import type { Command } from "../../../src/ledger/command.ts";
import { toPolicy } from "../../../src/rpc/policy-messages.ts";
import { isTrial } from "../../../src/ledger/trial.ts";
import { assertUntil } from "../../support/enough.ts";
import { type Expected, Model } from "../../support/model.ts";
import { LONG_MS } from "../../support/patience.ts";
import { randomSteps, type Step } from "../../support/random-commands.ts";
import { decide } from "./decide.ts";
import { pricesOf } from "./pricing.ts";
import { dueDraft, isDue } from "./due.ts";
import { append, type Dated, emptyReplay, type Replayed } from "./replay.ts";
import { asSent, FREE, type Init, made, operationOf, SERVICES } from "./sent.ts";
import { timestampOf } from "./time.ts";

test(
  "the torture's oracle agrees with the naive model on 10,000 random commands",
  async () => {
    const compared = new Map<string, number>();
    const rare = ["revoke", "REVOKE_EXCEEDS_LOT", "ENTRY_CHANGED"];
    await assertUntil(
      () =>
        rare.every((outcome) => compared.has(outcome)) &&
        [...compared.values()].reduce((all, one) => all + one) > 10_000,
      fc.property(randomSteps(150), (steps) => {
        for (const outcome of compare(steps)) {
          compared.set(outcome, (compared.get(outcome) ?? 0) + 1);
        }
      }),
      20,
    );
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

function recharge(expireTime?: ReturnType<typeof timestampOf>, priority = 0): Init {
  const expiration =
    expireTime === undefined
      ? ({ case: undefined } as const)
      : ({ case: "expireTime", value: expireTime } as const);
  return { case: "recharge", value: { points: 10n, priority, expiration } };
}

/** Applies an operation at the instant 2; gives the reason if it is refused. */
function run(account: Replayed, operation: Init): string | undefined {
  const decided = decide(account, made(operation), 2n, PRICES)!;
  if ("refused" in decided) return decided.refused;
  append(account, decided);
  return undefined;
}

const PRICES = pricesOf(
  create(GetPriceListResponseSchema, {
    priceVersion: "v1",
    prices: [
      { service: FREE, charge: { case: "free", value: {} } },
      ...SERVICES.map((service) => ({
        service,
        charge: { case: "quantity" as const, value: { points: 1n } },
      })),
    ],
  }),
);

/** Runs the steps on both; gives what became of each command that was compared. */
function compare(steps: readonly Step[]): readonly string[] {
  const model = new Model();
  const accounts = new Map<string, Replayed>();
  let now = 1n;
  const compared: string[] = [];
  for (const { laterBy, commands } of steps) {
    now += laterBy;
    for (const unaimed of commands) {
      // The load has no trials and no limits, and the oracle does not know them.
      if (isTrial(unaimed) || isLimit(unaimed)) continue;
      const { userId } = unaimed;
      for (const [sequence, hash] of accounts.get(userId)?.hashes ?? []) {
        model.learn({ userId, sequence, hash });
      }
      const command = asSent(model.aim(unaimed), now);
      const expected = model.run(command, now);
      // Everything due is booked before a command, even before one that is refused.
      const found = accounts.get(userId);
      const due = found && book(found, now);
      // The checker checks repeats (idempotency); the oracle does not know them.
      if ("reason" in expected ? expected.reason === "REQUEST_ID_REUSED" : expected.replayed) {
        continue;
      }
      expect(outcomeOf(accounts, command, now, due)).toEqual(withoutRepeat(expected));
      compared.push("reason" in expected ? expected.reason : (expected.kind ?? "nothing"));
    }
  }
  return compared;
}

function isLimit(command: Command): boolean {
  return command.kind === "putPolicy" && command.rule.kind === "limit";
}

function withoutRepeat(expected: Expected) {
  if ("reason" in expected) return expected;
  const { replayed: _, created: __, hold: ___, ...rest } = expected;
  return rest;
}

function outcomeOf(
  accounts: Map<string, Replayed>,
  command: Command,
  now: bigint,
  due: Dated | undefined,
) {
  const { userId, kind } = command;
  const found = accounts.get(userId);
  if (found === undefined && !["open", "recharge", "putPolicy"].includes(kind)) {
    return { reason: "ACCOUNT_NOT_FOUND" };
  }
  const account = found ?? emptyReplay(now);
  let own: Dated | undefined;
  if (command.kind !== "open") {
    const decided = decide(account, operationOf(command, now), now, PRICES);
    if (decided !== undefined && "refused" in decided) return { reason: decided.refused };
    if (decided !== undefined) appendNext(account, decided);
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
    policy: saidOf(own),
    alerts: own === undefined ? [] : account.alerts,
    member: "",
    cause: "",
    account: figuresOf(account),
  };
  book(account, now);
  return outcome;
}

function saidOf({ policy }: Partial<Dated> = {}) {
  if (policy === undefined) return null;
  const { name, rule } = policy;
  return { name, rule: rule.case === undefined ? null : toPolicy(policy).rule };
}

function debtsOf({
  owed = 0n,
  uncovered = 0n,
  repaid = 0n,
  fromBalance = 0n,
}: Partial<Dated> = {}) {
  return { owed, uncovered, repaid, fromBalance };
}

/** Books everything due, and gives the last of these entries. */
function book(account: Replayed, now: bigint): Dated | undefined {
  let last: Dated | undefined;
  while (isDue(account, now)) appendNext(account, (last = dueDraft(account)!));
  return last;
}

function appendNext(account: Replayed, draft: Dated): void {
  append(account, draft);
  account.hashes.set(account.sequence, hashOf(account.sequence));
}

/** Any hash that no other entry has. */
function hashOf(sequence: bigint): Uint8Array {
  const hash = Buffer.alloc(32);
  hash.writeBigUInt64BE(sequence);
  return hash;
}

function figuresOf(account: Replayed) {
  const { sequence, balance, frozen } = account;
  const { totalRecharged, totalConsumed, totalExpired, totalRefunded } = account;
  const { totalRevoked, debt } = account;
  return {
    sequence,
    balance,
    frozen,
    totalRecharged,
    totalConsumed,
    totalExpired,
    totalRefunded,
    totalRevoked,
    debt,
  };
}
