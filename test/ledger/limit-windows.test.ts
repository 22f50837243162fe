import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import type { Mutation } from "../../src/ledger/command.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import type { Rejection } from "../../src/ledger/rejection.ts";
import { limitsOn } from "../../src/ledger/limit.ts";
import { LONG_MS } from "../support/patience.ts";
import { randomOf, type Random } from "../support/random.ts";
import { TIMES } from "../support/times.ts";
import {
  MEMBERS,
  naiveCount,
  randomLater,
  randomSpending,
  SERVICES,
  standingLimits,
} from "../support/spending.ts";
import { decideAt, expectSound, NOW, stateOf } from "../support/statement.ts";

// The limits against a naive model, which adds up the entries of a window: under random time, in
// three time zones over their changes of the clock.

const LIVES = Number(process.env["LIVES"] ?? 60 * TIMES);
const SEED = Number(process.env["SEED"] ?? randomInt(1_000_000_000));

test(
  "a limit has counted what the entries of its window add up to, and is never passed",
  () => {
    console.log(`SEED=${SEED}`);
    const seen = new Map<string, number>();
    for (let life = 0; life < LIVES; life += 1) {
      try {
        live(randomOf(SEED + life), (what) => void seen.set(what, (seen.get(what) ?? 0) + 1));
      } catch (cause) {
        throw new Error(`SEED=${SEED + life} LIVES=1 does it again`, { cause });
      }
    }
    console.log(Object.fromEntries(seen));
    expect([...seen.keys()]).toEqual(
      expect.arrayContaining(["LIMIT_EXCEEDED", "applied", "stopped"]),
    );
  },
  LONG_MS,
);

function live(random: Random, note: (what: string) => void): void {
  let state = stateOf(["#1: 100000000 of 100000000"]);
  let now = NOW + BigInt(random.below(365)) * 86_400_000_000n;
  const journal: Entry[] = [];
  for (let step = random.whole(10, 80); step > 0; step -= 1) {
    now += randomLater(random, now);
    const command = randomSpending(random, journal);
    const decided = decideAt(state, command, now);
    state = decided.state!;
    expectSound(state);
    const { refused } = decided;
    note(refused?.reason ?? "applied");
    journal.push(...decided.entries);
    if (refused?.reason === "LIMIT_EXCEEDED") expectExceeded(journal, { command, refused, now });
    if (refused === undefined && decided.entry !== undefined) {
      if (expectNotPassed(journal, decided.entry)) note("stopped");
    }
    for (const member of MEMBERS) {
      for (const service of SERVICES) {
        const told = limitsOn(state.policies, { member, service }, now).map(
          ({ name, spent, points }) => ({ name, spent, points }),
        );
        expect(told).toEqual(statuses(journal, { member, service }, now));
      }
    }
  }
}

type Refused = {
  readonly command: Mutation;
  readonly refused: Extract<Rejection, { readonly reason: "LIMIT_EXCEEDED" }>;
  readonly now: bigint;
};

/** The first limit that would be passed is named. */
function expectExceeded(journal: readonly Entry[], { command, refused, now }: Refused): void {
  const { limit, spent, points, required } = refused;
  const passed = spentOf(journal, command, now).find((one) => one.spent + required > one.points);
  expect(passed).toEqual({ name: limit, spent, points });
}

/** Of a command that would spend, where the limits that bind it stand. */
function spentOf(journal: readonly Entry[], command: Mutation, now: bigint) {
  if (command.kind === "extendHold") {
    const { member, usage } = journal.find(({ sequence }) => sequence === command.hold)!;
    return statuses(journal, { member, service: usage?.service ?? null }, now);
  }
  if (command.kind !== "consume" && command.kind !== "freeze") throw new Error(command.kind);
  const { cost, member } = command;
  const service = "usage" in cost ? (cost.usage?.service ?? null) : null;
  return statuses(journal, { member, service }, now);
}

function statuses(
  journal: readonly Entry[],
  spender: { member: string; service: string | null },
  now: bigint,
) {
  return standingLimits(journal).flatMap((standing) => {
    const spent = naiveCount(journal, standing, { spender, now });
    const { name, limit } = standing;
    return spent === undefined ? [] : [{ name, spent, points: limit.points }];
  });
}

/** @returns whether a limit stopped it */
function expectNotPassed(journal: readonly Entry[], entry: Entry): boolean {
  const { kind, points, fromBalance, owed, uncovered, member, refersTo, time } = entry;
  const spends = kind === "consume" || kind === "freeze" || kind === "extend" || kind === "settle";
  if (!spends) return false;
  const { usage } =
    refersTo === null ? entry : journal.find(({ sequence }) => sequence === refersTo)!;
  const after = statuses(journal, { member, service: usage?.service ?? null }, time);
  const passed = after.filter((limit) => limit.spent > limit.points);
  const spent = kind === "settle" ? fromBalance + owed : points;
  // A settle that owes may pass a limit; then no other may spend.
  if (kind !== "settle" && spent > 0n) expect(passed).toEqual([]);
  if (uncovered === 0n) return false;
  // The account never lacks points.
  expect(after.filter((limit) => limit.spent >= limit.points)).not.toEqual([]);
  return true;
}
