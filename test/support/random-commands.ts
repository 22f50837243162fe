import { createHash } from "node:crypto";
import fc from "fast-check";
import { GENESIS_HASH } from "../../src/ledger/account.ts";
import type { Command, ExpireTarget, RevokeTarget } from "../../src/ledger/command.ts";
import type { PricedUsage } from "../../src/ledger/prices.ts";
import { used } from "./commands.ts";
import { RIGHT } from "./model.ts";

/** The commands of one batch, and the microseconds since the batch before. */
export type Step = { readonly laterBy: bigint; readonly commands: readonly Command[] };

/**
 * Property-based testing: random commands on a few accounts, in numbers so small that they collide.
 * Lots run out, lots expire in the very microsecond of a command, and request ids are used again for
 * the same request and for others.
 *
 * @param crowd the least number of recharges before, of all accounts together
 */
export function randomSteps(maxSteps: number, crowd = 0): fc.Arbitrary<readonly Step[]> {
  const steps = commandsLater(maxSteps);
  if (crowd === 0) return steps;
  const recharges = fc.array(named(randomRecharge()), { minLength: crowd, maxLength: crowd * 2 });
  return fc
    .tuple(recharges, steps)
    .map(([commands, later]) => [{ laterBy: 0n, commands }, ...later]);
}

/** A kind of commands without a user and a request id, and how often they come. */
type Weighted = { readonly weight: number; readonly arbitrary: fc.Arbitrary<{ kind: string }> };

/**
 * Random commands on accounts that there may not be yet.
 *
 * @param more further kinds of commands
 */
export function commandsLater(
  maxSteps: number,
  more: readonly Weighted[] = [],
): fc.Arbitrary<readonly Step[]> {
  const turn = fc.record({
    command: randomCommand(more),
    /** Repeats an earlier command instead, counted back from this one. */
    again: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined, freq: 5 }),
  });
  const step = fc.record({
    laterBy: fc.bigInt({ min: 0n, max: 4n }),
    turns: fc.array(turn, { minLength: 1, maxLength: 4 }),
  });
  return fc.array(step, { maxLength: maxSteps, size: "max" }).map((steps) => {
    const all: Command[] = [];
    return steps.map(({ laterBy, turns }) => ({
      laterBy,
      commands: turns.map(({ command, again }) => {
        const chosen = (again === undefined ? undefined : all.at(-again)) ?? command;
        all.push(chosen);
        return chosen;
      }),
    }));
  });
}

function randomCommand(more: readonly Weighted[]): fc.Arbitrary<Command> {
  const points = fc.bigInt({ min: 1n, max: 9n });
  const cost = fc.oneof(
    { weight: 6, arbitrary: points.map((some) => ({ points: some, usage: null })) },
    { weight: 5, arbitrary: fc.tuple(points, fc.constantFrom(...SERVICES)).map(costOf) },
    { weight: 1, arbitrary: fc.constant({ points: 0n, usage: null }) },
    {
      weight: 1,
      arbitrary: fc.constant({ reason: "SERVICE_NOT_PRICED" as const, service: "nothing" }),
    },
  );
  const onShortfall = randomShortfall();
  const member = fc.constantFrom(...MEMBERS);
  const priced = fc.record({ points, usage: randomUsage(points) });
  const byInstant = fc.record({
    byInstant: fc.tuple(
      fc.record({ from: fc.constant(null), cost: priced }),
      fc.record({ from: fc.bigInt({ min: 1n, max: 100n }), cost: priced }),
    ),
  });
  const asked = fc.oneof(
    { weight: 9, arbitrary: cost },
    { weight: 1, arbitrary: priced },
    { weight: 1, arbitrary: byInstant },
  );
  // Counts back from the last; the model aims it.
  const sequence = fc.bigInt({ min: 1n, max: 5n });
  const kind = <Kind extends string>(name: Kind) => fc.constant(name);
  const expiration = randomExpiration();
  const expectedHash = randomHash();
  const weighted: [weight: number, content: fc.Arbitrary<{ kind: string }>][] = [
    [1, fc.record({ kind: kind("open") })],
    [6, randomRecharge()],
    [4, fc.record({ kind: kind("consume"), cost: asked, onShortfall, member })],
    [2, fc.record({ kind: kind("expire"), target: randomTarget(points) })],
    [
      3,
      fc.record({
        kind: kind("revoke"),
        target: randomRevoke(points),
        onShortfall,
      }),
    ],
    [4, fc.record({ kind: kind("freeze"), cost: asked, expiration, member })],
    [
      4,
      fc.record({
        kind: kind("settle"),
        hold: sequence,
        cost: fc.option(asked, { nil: undefined }),
        onShortfall,
        expectedHash,
        keepOpen: fc.boolean(),
      }),
    ],
    [
      3,
      fc.record({
        kind: kind("extendHold"),
        hold: sequence,
        more: fc.option(asked, { nil: undefined }),
        expiration: fc.option(expiration, { nil: undefined }),
        expectedHash,
      }),
    ],
    [2, fc.record({ kind: kind("release"), hold: sequence, expectedHash })],
    [
      5,
      fc.record({
        kind: kind("refund"),
        sequence,
        points: fc.option(points, { nil: undefined }),
        reissueTtl: fc.option(fc.bigInt({ min: 1n, max: 9n }), { nil: undefined }),
        expectedHash,
      }),
    ],
    [2, randomPolicy()],
    [1, fc.record({ kind: kind("deletePolicy"), name: fc.constantFrom(...ALL_NAMES) })],
  ];
  const all = weighted.map(([weight, arbitrary]) => ({ weight, arbitrary }));
  return named(fc.oneof(...all, ...more));
}

function randomShortfall() {
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant("refuse" as const) },
    { weight: 2, arbitrary: fc.constant("take" as const) },
    { weight: 3, arbitrary: fc.constant("owe" as const) },
  );
}

/** A rule under one of a few names, mostly one for its kind. */
function randomPolicy() {
  const rule = fc.oneof(
    fc.record({
      kind: fc.constant("creditLine" as const),
      points: fc.bigInt({ min: 0n, max: 30n }),
    }),
    fc.record({ kind: fc.constant("alert" as const), below: fc.bigInt({ min: -5n, max: 20n }) }),
    randomLimit(),
  );
  return fc.record({ rule, at: fc.nat({ max: 2 }) }).map(({ rule: one, at }) => ({
    kind: "putPolicy",
    name: at === 2 ? "any" : NAMES[one.kind][at]!,
    rule: one,
  }));
}

/** A limit over all time: the steps of these commands are microseconds. */
function randomLimit() {
  const rule = fc.record({
    kind: fc.constant("limit" as const),
    points: fc.bigInt({ min: 0n, max: 40n }),
    window: fc.constant({ kind: "total" as const }),
    member: fc.constantFrom(...MEMBERS),
    eachMember: fc.boolean(),
    service: fc.constantFrom("", "", ...SERVICES),
  });
  return rule.map((one) => (one.eachMember ? { ...one, member: "" } : one));
}

/** Who spends. */
export const MEMBERS = ["", "", "bea", "eve"] as const;
const NAMES = { creditLine: ["credit", "spare"], alert: ["low", "Lower"], limit: ["cap", "Cap"] };
const ALL_NAMES = [...Object.values(NAMES).flat(), "any"];

/** A usage with all that one can have, though the points did not come of it. */
export function randomUsage(numbers: fc.Arbitrary<bigint>): fc.Arbitrary<PricedUsage> {
  const texts = fc.constantFrom("a", "B", "10", "9");
  const attributes = fc.array(fc.tuple(texts, texts), { maxLength: 3 }).map((all) => new Map(all));
  const unitNanos = fc.option(numbers);
  const meter = fc.record({ of: texts, points: numbers, per: numbers, unitNanos, amount: numbers });
  const fraction = fc.record({ numerator: numbers, denominator: numbers });
  return fc.record({
    service: texts,
    quantity: fc.constant(null),
    durationNanos: fc.option(numbers),
    meters: fc.array(fc.tuple(texts, fc.nat().map(BigInt))).map((all) => new Map(all)),
    attributes,
    priceVersion: texts,
    calculation: fc.option(
      fc.record({
        when: attributes,
        fixed: numbers,
        meters: fc.array(meter, { maxLength: 2 }),
        factor: fc.option(fraction),
        minimum: fc.constantFrom(0n, 5n),
        maximum: fc.constantFrom(0n, 7n),
      }),
    ),
  });
}

function randomRecharge() {
  return fc.record({
    kind: fc.constant("recharge"),
    points: fc.bigInt({ min: 1n, max: 9n }),
    expiration: fc.oneof(fc.constant({ kind: "never" as const }), randomExpiration()),
    priority: fc.integer({ min: 0, max: 2 }),
    category: fc.constantFrom("", "", "gift", "bezahlt 🪙"),
    services: fc.oneof(
      { weight: 2, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.shuffledSubarray([...SERVICES], { minLength: 1 }) },
    ),
  });
}

const SERVICES = ["tts", "script", "image"] as const;

function costOf([points, service]: readonly [bigint, string]) {
  return { points, usage: used({ service }) };
}

function randomExpiration() {
  return fc.oneof(
    fc.record({ kind: fc.constant("after" as const), ttl: fc.bigInt({ min: 1n, max: 40n }) }),
    fc.record({ kind: fc.constant("at" as const), time: fc.bigInt({ min: 1n, max: 250n }) }),
  );
}

function randomTarget(points: fc.Arbitrary<bigint>): fc.Arbitrary<ExpireTarget> {
  return fc.oneof(
    fc.record({ kind: fc.constant("points" as const), points }),
    fc.record({
      kind: fc.constant("lot" as const),
      lot: fc.bigInt({ min: 1n, max: 15n }),
      expectedHash: randomHash(),
    }),
    fc.constant({ kind: "due" as const }),
  );
}

function randomRevoke(points: fc.Arbitrary<bigint>): fc.Arbitrary<RevokeTarget> {
  return fc.oneof(
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("points" as const), points }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("lot" as const),
        lot: fc.bigInt({ min: 1n, max: 5n }),
        points: fc.option(points, { nil: undefined }),
        expectedHash: randomHash(),
      }),
    },
  );
}

/** Mostly none; else that of the entry that is named, or of none. */
function randomHash() {
  return fc.constantFrom(...Array.from({ length: 7 }, () => undefined), RIGHT, GENESIS_HASH);
}

/** Adds a user and, sometimes, a request id. */
function named<T extends { kind: string }>(content: fc.Arbitrary<T>): fc.Arbitrary<Command> {
  return fc
    .record({
      content,
      userId: fc.constantFrom("ada", "bob"),
      id: fc.option(fc.integer({ min: 1, max: 400 }), { nil: undefined, freq: 2 }),
      validateOnly: fc.integer({ min: 0, max: 15 }).map((chance) => chance === 1),
    })
    .map(({ content: rest, userId, id, validateOnly }) => {
      if (rest.kind === "open") return { userId, ...rest } as unknown as Command;
      const text = JSON.stringify(rest, (_, value) =>
        typeof value === "bigint" ? `${value}n` : (value as unknown),
      );
      const hash = createHash("sha256").update(text).digest();
      const request = id === undefined ? undefined : { id: `request-${id}`, hash };
      const actor = (id ?? 0) % 2 === 1 ? "Ana" : "";
      const common = { userId, request, metadata: new Map(), caller: "", actor, validateOnly };
      return { ...common, ...rest } as unknown as Command;
    });
}
