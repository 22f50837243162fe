import fc from "fast-check";
import type { AskedCost, Command, Deadline, Expiration } from "../../src/ledger/command.ts";
import type { AllowanceLife, Window } from "../../src/ledger/policy.ts";
import { commandsLater, MEMBERS, type Step } from "./random-commands.ts";

const HOUR = 3_600_000_000n;

/** Before leap days, months' ends, and the days on which clocks change in the zones below. */
const STARTS = [
  "2026-03-27",
  "2026-10-02",
  "2026-10-23",
  "2027-01-29",
  "2028-02-27",
  "2027-11-05",
].map((day) => BigInt(Date.parse(day)) * 1_000n);

const ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"];

/**
 * Random commands over hours, days, months and years, with policies of each kind. They are those of
 * `randomSteps`, with hours for microseconds, so that expiries, periods and commands still meet.
 */
export function randomYears(maxSteps: number): fc.Arbitrary<readonly Step[]> {
  const hours = (min: number, max: number) => fc.bigInt({ min: BigInt(min), max: BigInt(max) });
  const jump = fc.oneof(
    { weight: 40, arbitrary: fc.constant(0n) },
    { weight: 10, arbitrary: hours(1, 48) },
    { weight: 5, arbitrary: hours(1, 40).map((days) => 24n * days) },
    { weight: 1, arbitrary: hours(300 * 24, 800 * 24) },
  );
  const jumps = fc.array(jump, { minLength: maxSteps, maxLength: maxSteps, size: "max" });
  return fc
    .tuple(commandsLater(maxSteps, POLICIES), jumps, fc.constantFrom(...STARTS))
    .map(([steps, later, start]) => {
      let now = start;
      const scaled = new Map<Command, Command>();
      return steps.map(({ laterBy, commands }, at) => {
        const wait = (laterBy + later[at]!) * HOUR;
        now += wait;
        const inHours = commands.map((command) => {
          // A repeat is the same command again.
          const made = scaled.get(command) ?? scaledTo(command, { start, now });
          scaled.set(command, made);
          return made;
        });
        // Time begins with 1.
        return { laterBy: at === 0 ? now - 1n : wait, commands: inHours };
      });
    });
}

type Scale = { readonly start: bigint; readonly now: bigint };

function scaledTo(command: Command, scale: Scale): Command {
  switch (command.kind) {
    case "recharge":
      return { ...command, expiration: endOf(command.expiration, scale) };
    case "consume":
      return { ...command, cost: costOf(command.cost, scale) };
    case "freeze":
      return {
        ...command,
        cost: costOf(command.cost, scale),
        expiration: deadlineOf(command.expiration, scale),
      };
    case "settle":
      return { ...command, cost: command.cost && costOf(command.cost, scale) };
    case "extendHold": {
      const { more, expiration } = command;
      const end = expiration && deadlineOf(expiration, scale);
      return { ...command, more: more && costOf(more, scale), expiration: end };
    }
    case "refund":
      return { ...command, reissueTtl: command.reissueTtl && command.reissueTtl * HOUR };
    case "putPolicy": {
      const { rule } = command;
      if (rule.kind !== "allowance") return command;
      const { startTime, endTime, life } = rule;
      const set = {
        ...rule,
        startTime: startTime === undefined ? startTime : scale.now + startTime * HOUR,
        endTime: endTime === null ? endTime : scale.now + endTime * HOUR,
        life: life.kind === "ttl" ? { ...life, ttl: life.ttl * HOUR } : life,
      };
      return { ...command, rule: set };
    }
    default:
      return command;
  }
}

function endOf(expiration: Expiration, scale: Scale): Expiration {
  return expiration.kind === "never" ? expiration : deadlineOf(expiration, scale);
}

function deadlineOf(deadline: Deadline, { start }: Scale): Deadline {
  if (deadline.kind === "after") return { kind: "after", ttl: deadline.ttl * HOUR };
  return { kind: "at", time: start + deadline.time * HOUR };
}

function costOf(cost: AskedCost, { start }: Scale): AskedCost {
  if (!("byInstant" in cost)) return cost;
  const byInstant = cost.byInstant.map((one) => ({
    ...one,
    from: one.from === null ? null : start + one.from * HOUR,
  }));
  return { byInstant };
}

const kind = <Kind extends string>(name: Kind) => fc.constant(name);
const points = fc.bigInt({ min: 1n, max: 9n });
const zone = fc.constantFrom(...ZONES);
const member = fc.constantFrom(...MEMBERS);
const services = fc.constantFrom<string[]>([], [], ["tts"]);

const life: fc.Arbitrary<AllowanceLife> = fc.oneof(
  fc.record({ kind: kind("periods"), count: fc.constantFrom(1, 1, 2, 3) }),
  fc.record({ kind: kind("ttl"), ttl: fc.bigInt({ min: 1n, max: 900n }) }),
  fc.record({ kind: kind("never") }),
);

/** Its times are in hours after now, its ttl in hours. */
const allowance = fc
  .record({
    kind: kind("allowance"),
    points,
    every: fc.record({
      count: fc.constantFrom(1, 1, 2, 5),
      unit: fc.constantFrom("day", "day", "week", "month", "month", "year"),
    }),
    startTime: fc.option(fc.bigInt({ min: 0n, max: 90n }), { nil: undefined }),
    timeZone: zone,
    life,
    priority: fc.integer({ min: 0, max: 2 }),
    category: fc.constantFrom("", "gift"),
    services,
    endTime: fc.option(fc.bigInt({ min: 1n, max: 3_000n }), { freq: 4 }),
  })
  // Each period of these is an entry: a day's would be too many in years.
  .map((rule) =>
    rule.life.kind === "periods" || rule.every.unit !== "day"
      ? rule
      : { ...rule, every: { ...rule.every, unit: "week" as const } },
  );

const window: fc.Arbitrary<Window> = fc.oneof(
  fc.record({
    kind: kind("calendar"),
    unit: fc.constantFrom("day", "week", "month", "year"),
    timeZone: zone,
  }),
  fc.record({ kind: kind("total") }),
);

const limit = fc
  .record({
    kind: kind("limit"),
    points: fc.bigInt({ min: 0n, max: 15n }),
    window,
    member,
    eachMember: fc.boolean(),
    service: fc.constantFrom("", "", "tts"),
  })
  .map((rule) => ({ ...rule, eachMember: rule.eachMember && rule.member === "" }));

const put = (name: fc.Arbitrary<string>, rule: fc.Arbitrary<object>) =>
  fc.record({ kind: kind("putPolicy"), name, rule });

const cost = points.map((some) => ({ points: some, usage: null }));
const onShortfall = fc.constantFrom("refuse", "take", "take", "owe");

/** Policies, and more of what meets them than `randomSteps` has. */
const POLICIES = [
  { weight: 4, arbitrary: put(fc.constantFrom("free", "Plan", "any"), allowance) },
  { weight: 2, arbitrary: put(fc.constantFrom("day", "team"), limit) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: kind("deletePolicy"),
      name: fc.constantFrom("free", "Plan", "day", "team"),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ kind: kind("consume"), cost, onShortfall, member }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: kind("freeze"),
      cost,
      member,
      expiration: fc.record({ kind: kind("after"), ttl: fc.bigInt({ min: 20n, max: 700n }) }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: kind("settle"),
      hold: fc.bigInt({ min: 1n, max: 3n }),
      cost: fc.option(cost, { nil: undefined }),
      onShortfall,
      keepOpen: fc.boolean(),
    }),
  },
];
