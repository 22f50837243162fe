import fc from "fast-check";
import type { AskedRule, Command } from "../../src/ledger/command.ts";
import type { Allowance } from "../../src/ledger/policy.ts";
import { daily } from "./allowances.ts";
import {
  consume,
  deletePolicy,
  expire,
  freeze,
  open,
  OWE,
  putPolicy,
  recharge,
  rechargeFor,
  refund,
  release,
} from "./commands.ts";

/** A quarter of a day. All times of these steps are multiples of it, so that many are the same. */
export const QUARTER = 21_600_000_000n;

/** A command, and the sweeps before it. */
export type Step = {
  /** Quarters after the step before. */
  readonly later: number;
  readonly command: Command;
  /** In the order of their times, in quarters after the step before, and none after the command. */
  readonly sweeps: readonly { readonly after: number; readonly maxSize: number }[];
};

/** A life of ada's account, with allowances "a", "c" and "e", credit line "b", and one last visit. */
export function randomLife(maxLength: number): fc.Arbitrary<readonly Step[]> {
  const start = {
    later: 0,
    command: putPolicy("b", { kind: "creditLine", points: 60n }),
    sweeps: [],
  };
  const end = { later: 400, command: open(), sweeps: [{ after: 9, maxSize: 5 }] };
  return fc.array(step, { minLength: 2, maxLength }).map((steps) => [start, ...steps, end]);
}

/** The command, at its time: an allowance begins when it is put. */
export function commandAt({ command }: Step, now: bigint): Command {
  if (command.kind !== "putPolicy" || command.rule.kind !== "allowance") return command;
  const { endTime, ...rule } = command.rule;
  return {
    ...command,
    rule: { ...rule, startTime: now, endTime: endTime === null ? null : now + endTime },
  };
}

const quarters = (max: number) =>
  fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max })).map(BigInt);
const ttl = quarters(90).map((count) => count * QUARTER);
const deadline = ttl.map((length) => ({ kind: "after", ttl: length }) as const);
const points = fc.integer({ min: 1, max: 30 }).map(BigInt);
const name = fc.constantFrom("a", "c", "e");
const sequence = fc.integer({ min: 1, max: 20 }).map(BigInt);

const life: fc.Arbitrary<Allowance["life"]> = fc.oneof(
  fc.constantFrom(1, 1, 2, 5, 40).map((count) => ({ kind: "periods", count }) as const),
  ttl.map((length) => ({ kind: "ttl", ttl: length }) as const),
  fc.constant({ kind: "never" } as const),
);

// Its end time counts from its start.
const rule: fc.Arbitrary<AskedRule> = fc
  .record({
    points,
    services: fc.constantFrom<string[]>([], [], ["tts"]),
    timeZone: fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"),
    every: fc.record({
      count: fc.constantFrom(1, 1, 2, 5),
      unit: fc.constantFrom("day", "day", "week", "month", "year"),
    }),
    life,
    endTime: fc.option(
      quarters(400).map((count) => count * QUARTER),
      { freq: 4 },
    ),
  })
  .map(daily);

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(name, rule).map(([of, one]) => putPolicy(of, one)) },
  { weight: 1, arbitrary: name.map(deletePolicy) },
  { weight: 2, arbitrary: fc.tuple(points, deadline).map(([some, end]) => recharge(some, end)) },
  {
    weight: 1,
    arbitrary: fc.tuple(points, deadline).map(([some, end]) => rechargeFor(["tts"], some, end)),
  },
  { weight: 3, arbitrary: fc.tuple(points, ttl).map(([some, length]) => freeze(some, length)) },
  { weight: 3, arbitrary: points.map((some) => consume(some)) },
  { weight: 1, arbitrary: points.map((some) => expire({ kind: "points", points: some })) },
  { weight: 1, arbitrary: fc.constantFrom(10n, 40n, 100n).map((some) => consume(some, OWE)) },
  { weight: 2, arbitrary: sequence.map((entry) => refund(entry)) },
  { weight: 1, arbitrary: sequence.map((hold) => release(hold)) },
  { weight: 1, arbitrary: fc.constant(open()) },
);

const step: fc.Arbitrary<Step> = fc
  .record({
    later: fc.oneof(fc.nat(8), fc.nat(8), fc.nat(40), fc.nat(300)),
    command,
    sweeps: fc.array(fc.record({ after: fc.nat(60), maxSize: fc.integer({ min: 1, max: 5 }) }), {
      maxLength: 6,
    }),
  })
  .map(({ later, sweeps, ...other }) => ({
    ...other,
    later,
    sweeps: sweeps
      .map(({ after, maxSize }) => ({ after: Math.min(after, later), maxSize }))
      .toSorted((a, b) => a.after - b.after),
  }));
