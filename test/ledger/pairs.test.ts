import { expect, test } from "vitest";
import type { Command } from "../../src/ledger/command.ts";
import {
  consume,
  extendHold,
  freeze,
  open,
  OWE,
  recharge,
  rechargeFor,
  refund,
  release,
  revokeLot,
  usageOf,
} from "../support/commands.ts";
import { NOW, play, stateOf, type Step, withCreditLine } from "../support/statement.ts";

// What can have happened to a lot of 100 points and its account before points of it are refunded,
// released or revoked, two things at a time:
//
// - owed: the entry owed a part of what it spent; of a release: there is more debt than comes back; of
//   a revocation: what the lot lacks is owed and not claimed
// - repaid: there is a debt that what comes back repays; of a revocation: the lot repaid one
// - claimed: 20 points of the lot were revoked when it had none left
// - expired: the lot's time has come since
// - scoped: only tts may take of the lot
// - frozen twice: two holds have points of the lot; of a release: the hold was extended by more of them

const TRAITS = ["owed", "repaid", "claimed", "expired", "scoped", "frozen twice"] as const;
type Trait = (typeof TRAITS)[number];
type Has = (trait: Trait) => boolean;
type Kind = keyof typeof STEPS;

type Case = [kind: Kind, pair: [Trait, Trait], entries: string[], left: string];

const cases: Case[] = [
  [
    "refund",
    ["owed", "repaid"],
    ["5 refund 75 of entry 3, 45 repaid: 30 of #1"],
    "balance 30, frozen 0, debt 0, revoked 0, expired 0",
  ],
  [
    "refund",
    ["owed", "claimed"],
    ["5 refund 75 of entry 3, 15 repaid: 60 of #1", "6 revoke 20 of lot 1 for its claim: 20 of #1"],
    "balance 40, frozen 0, debt 0, revoked 20, expired 0",
  ],
  [
    "refund",
    ["owed", "expired"],
    ["4 refund 75 of entry 3, 15 repaid: 60 of #1", "5 expire 60: 60 of #1"],
    "balance 0, frozen 0, debt 0, revoked 0, expired 60",
  ],
  [
    "refund",
    ["owed", "scoped"],
    ["4 refund 75 of entry 3, 15 repaid: 60 of #1"],
    "balance 60, frozen 0, debt 0, revoked 0, expired 0",
  ],
  [
    "refund",
    ["owed", "frozen twice"],
    ["6 refund 75 of entry 5, 15 repaid: 60 of #1"],
    "balance 60, frozen 20, debt 0, revoked 0, expired 0",
  ],
  [
    "refund",
    ["repaid", "claimed"],
    ["6 refund 60 of entry 3, 30 repaid: 30 of #1", "7 revoke 20 of lot 1 for its claim: 20 of #1"],
    "balance 10, frozen 0, debt 0, revoked 20, expired 0",
  ],
  [
    "refund",
    ["repaid", "expired"],
    ["5 refund 60 of entry 3: 60 of #1", "6 expire 60: 60 of #1"],
    "balance 0, frozen 0, debt 30, revoked 0, expired 60",
  ],
  [
    "refund",
    ["repaid", "scoped"],
    ["5 refund 60 of entry 3: 60 of #1"],
    "balance 60, frozen 0, debt 30, revoked 0, expired 0",
  ],
  [
    "refund",
    ["repaid", "frozen twice"],
    ["7 refund 60 of entry 5, 30 repaid: 30 of #1"],
    "balance 30, frozen 20, debt 0, revoked 0, expired 0",
  ],
  [
    "refund",
    ["claimed", "expired"],
    [
      "5 refund 60 of entry 3: 60 of #1",
      "6 revoke 20 of lot 1 for its claim: 20 of #1",
      "7 expire 40: 40 of #1",
    ],
    "balance 0, frozen 0, debt 0, revoked 20, expired 40",
  ],
  [
    "refund",
    ["claimed", "scoped"],
    ["5 refund 60 of entry 3: 60 of #1", "6 revoke 20 of lot 1 for its claim: 20 of #1"],
    "balance 40, frozen 0, debt 0, revoked 20, expired 0",
  ],
  [
    "refund",
    ["claimed", "frozen twice"],
    ["7 refund 60 of entry 5: 60 of #1", "8 revoke 20 of lot 1 for its claim: 20 of #1"],
    "balance 40, frozen 20, debt 0, revoked 20, expired 0",
  ],
  [
    "refund",
    ["expired", "scoped"],
    ["4 refund 60 of entry 3: 60 of #1", "5 expire 60: 60 of #1"],
    "balance 0, frozen 0, debt 0, revoked 0, expired 60",
  ],
  [
    "refund",
    ["expired", "frozen twice"],
    ["6 refund 60 of entry 5: 60 of #1", "7 expire 60: 60 of #1"],
    "balance 0, frozen 20, debt 0, revoked 0, expired 60",
  ],
  [
    "refund",
    ["scoped", "frozen twice"],
    ["6 refund 60 of entry 5: 60 of #1"],
    "balance 60, frozen 20, debt 0, revoked 0, expired 0",
  ],
  [
    "release",
    ["owed", "repaid"],
    ["6 release 40 of hold 2, 40 repaid"],
    "balance 0, frozen 0, debt 75, revoked 0, expired 0",
  ],
  [
    "release",
    ["owed", "claimed"],
    ["6 release 40 of hold 2, 20 repaid: 20 of #1", "7 revoke 20 of lot 1 for its claim: 20 of #1"],
    "balance 0, frozen 0, debt 80, revoked 20, expired 0",
  ],
  [
    "release",
    ["owed", "expired"],
    ["5 release 40 of hold 2: 40 of #1", "6 expire 40: 40 of #1"],
    "balance 0, frozen 0, debt 100, revoked 0, expired 40",
  ],
  [
    "release",
    ["owed", "scoped"],
    ["5 release 40 of hold 2: 40 of #1"],
    "balance 40, frozen 0, debt 100, revoked 0, expired 0",
  ],
  [
    "release",
    ["owed", "frozen twice"],
    ["6 release 60 of hold 2, 60 repaid"],
    "balance 0, frozen 0, debt 40, revoked 0, expired 0",
  ],
  [
    "release",
    ["repaid", "claimed"],
    ["6 release 40 of hold 2, 15 repaid: 25 of #1", "7 revoke 20 of lot 1 for its claim: 20 of #1"],
    "balance 5, frozen 0, debt 0, revoked 20, expired 0",
  ],
  [
    "release",
    ["repaid", "expired"],
    ["5 release 40 of hold 2: 40 of #1", "6 expire 40: 40 of #1"],
    "balance 0, frozen 0, debt 15, revoked 0, expired 40",
  ],
  [
    "release",
    ["repaid", "scoped"],
    ["5 release 40 of hold 2: 40 of #1"],
    "balance 40, frozen 0, debt 15, revoked 0, expired 0",
  ],
  [
    "release",
    ["repaid", "frozen twice"],
    ["6 release 60 of hold 2, 15 repaid: 45 of #1"],
    "balance 45, frozen 0, debt 0, revoked 0, expired 0",
  ],
  [
    "release",
    ["claimed", "expired"],
    [
      "5 release 40 of hold 2: 40 of #1",
      "6 revoke 20 of lot 1 for its claim: 20 of #1",
      "7 expire 20: 20 of #1",
    ],
    "balance 0, frozen 0, debt 0, revoked 20, expired 20",
  ],
  [
    "release",
    ["claimed", "scoped"],
    ["5 release 40 of hold 2: 40 of #1", "6 revoke 20 of lot 1 for its claim: 20 of #1"],
    "balance 20, frozen 0, debt 0, revoked 20, expired 0",
  ],
  [
    "release",
    ["claimed", "frozen twice"],
    ["6 release 60 of hold 2: 60 of #1", "7 revoke 20 of lot 1 for its claim: 20 of #1"],
    "balance 40, frozen 0, debt 0, revoked 20, expired 0",
  ],
  [
    "release",
    ["expired", "scoped"],
    ["4 release 40 of hold 2: 40 of #1", "5 expire 40: 40 of #1"],
    "balance 0, frozen 0, debt 0, revoked 0, expired 40",
  ],
  [
    "release",
    ["expired", "frozen twice"],
    ["5 release 60 of hold 2: 60 of #1", "6 expire 60: 60 of #1"],
    "balance 0, frozen 0, debt 0, revoked 0, expired 60",
  ],
  [
    "release",
    ["scoped", "frozen twice"],
    ["5 release 60 of hold 2: 60 of #1"],
    "balance 60, frozen 0, debt 0, revoked 0, expired 0",
  ],
  [
    "revoke",
    ["owed", "repaid"],
    ["4 revoke 70 of lot 2, 40 owed: 30 of #2"],
    "balance 0, frozen 0, debt 40, revoked 70, expired 0",
  ],
  [
    "revoke",
    ["owed", "claimed"],
    ["4 revoke 70 of lot 1, 70 owed"],
    "balance 0, frozen 0, debt 70, revoked 70, expired 0",
  ],
  [
    "revoke",
    ["owed", "expired"],
    ["4 revoke 70 of lot 1, 70 owed"],
    "balance 0, frozen 0, debt 70, revoked 70, expired 60",
  ],
  [
    "revoke",
    ["owed", "scoped"],
    ["3 revoke 70 of lot 1, 10 owed: 60 of #1"],
    "balance 0, frozen 0, debt 10, revoked 70, expired 0",
  ],
  [
    "revoke",
    ["owed", "frozen twice"],
    ["5 revoke 70 of lot 1, 30 owed: 40 of #1"],
    "balance 0, frozen 20, debt 30, revoked 70, expired 0",
  ],
  [
    "revoke",
    ["repaid", "claimed"],
    ["5 revoke 0 of lot 2, 70 uncovered"],
    "balance 0, frozen 0, debt 0, revoked 0, expired 0",
  ],
  [
    "revoke",
    ["repaid", "expired"],
    ["5 revoke 0 of lot 2, 70 uncovered"],
    "balance 0, frozen 0, debt 0, revoked 0, expired 30",
  ],
  [
    "revoke",
    ["repaid", "scoped"],
    ["4 revoke 60 of lot 2, 10 uncovered: 60 of #2"],
    "balance 0, frozen 0, debt 30, revoked 60, expired 0",
  ],
  [
    "revoke",
    ["repaid", "frozen twice"],
    ["6 revoke 10 of lot 2, 60 uncovered: 10 of #2"],
    "balance 0, frozen 20, debt 0, revoked 10, expired 0",
  ],
  [
    "revoke",
    ["claimed", "expired"],
    ["4 revoke 0 of lot 1, 70 uncovered"],
    "balance 0, frozen 0, debt 0, revoked 0, expired 0",
  ],
  [
    "revoke",
    ["claimed", "scoped"],
    ["4 revoke 0 of lot 1, 70 uncovered"],
    "balance 0, frozen 0, debt 0, revoked 0, expired 0",
  ],
  [
    "revoke",
    ["claimed", "frozen twice"],
    ["6 revoke 0 of lot 1, 70 uncovered"],
    "balance 0, frozen 20, debt 0, revoked 0, expired 0",
  ],
  [
    "revoke",
    ["expired", "scoped"],
    ["4 revoke 0 of lot 1, 70 uncovered"],
    "balance 0, frozen 0, debt 0, revoked 0, expired 60",
  ],
  [
    "revoke",
    ["expired", "frozen twice"],
    ["6 revoke 0 of lot 1, 70 uncovered"],
    "balance 0, frozen 20, debt 0, revoked 0, expired 40",
  ],
  [
    "revoke",
    ["scoped", "frozen twice"],
    ["5 revoke 40 of lot 1, 30 uncovered: 40 of #1"],
    "balance 0, frozen 20, debt 0, revoked 40, expired 0",
  ],
];

test.each(cases)("a %s of a lot that is %s", (kind, pair, entries, left) => {
  const has = (trait: Trait) => pair.includes(trait);
  const { state, journal } = play(withCreditLine(1_000n, stateOf([])), [...STEPS[kind](has)]);
  expect(journal.slice(-entries.length)).toEqual(entries);
  const { balance, frozen, debt, totalRevoked, totalExpired } = state.account;
  const figures = `balance ${balance}, frozen ${frozen}, debt ${debt}`;
  expect(`${figures}, revoked ${totalRevoked}, expired ${totalExpired}`).toBe(left);
});

test("each pair is there once a kind", () => {
  const pairs = TRAITS.flatMap((a, at) => TRAITS.slice(at + 1).map((b) => [a, b]));
  const kinds = Object.keys(STEPS);
  const all = kinds.flatMap((kind) => pairs.map((pair) => [kind, pair]));
  expect(cases.map(([kind, pair]) => [kind, pair])).toEqual(all);
});

/** Commands at so many microseconds after NOW. */
const at = (time: bigint, ...commands: Command[]): Step[] =>
  commands.map((command) => [time, command]);

function lotOf(has: Has) {
  const expiration = has("expired")
    ? ({ kind: "at", time: NOW + 5n } as const)
    : ({ kind: "never" } as const);
  return has("scoped") ? rechargeFor(["tts"], 100n, expiration) : recharge(100n, expiration);
}

const cost = (has: Has, points: bigint) => (has("scoped") ? usageOf("tts", points) : points);

/** Points of a lot for some services repay no debt. */
function remainingOf(has: Has): bigint {
  const repaid = has("repaid") && !has("scoped") ? 30n : 0n;
  return 100n - repaid - (has("frozen twice") ? 20n : 0n);
}

const STEPS = {
  refund: (has: Has) => [
    ...at(0n, lotOf(has)),
    ...(has("frozen twice") ? at(0n, freeze(cost(has, 10n)), freeze(cost(has, 10n))) : []),
    ...at(1n, consume(cost(has, has("frozen twice") ? 20n : 40n))),
    ...at(1n, consume(cost(has, has("owed") ? 75n : 60n), OWE)),
    ...(has("repaid") ? at(2n, consume(30n, OWE)) : []),
    ...(has("claimed") ? at(3n, revokeLot(1n, 20n, "take")) : []),
    ...at(9n, refund(has("frozen twice") ? 5n : 3n)),
  ],
  release: (has: Has) => [
    ...at(0n, lotOf(has)),
    ...at(0n, freeze(cost(has, 40n))),
    ...at(0n, consume(cost(has, has("frozen twice") ? 40n : 60n))),
    ...(has("frozen twice") ? at(1n, extendHold(2n, { more: cost(has, 20n) })) : []),
    ...(has("owed") ? at(2n, consume(100n, OWE)) : []),
    ...(has("repaid") ? at(2n, consume(15n, OWE)) : []),
    ...(has("claimed") ? at(3n, revokeLot(1n, 20n, "take")) : []),
    ...at(9n, release(2n)),
  ],
  revoke: (has: Has) => [
    ...(has("repaid") ? at(0n, open(), consume(30n, OWE)) : []),
    ...at(0n, lotOf(has)),
    ...(has("frozen twice") ? at(0n, freeze(cost(has, 10n)), freeze(cost(has, 10n))) : []),
    ...at(1n, consume(cost(has, has("claimed") ? remainingOf(has) : 40n))),
    ...(has("claimed") ? at(3n, revokeLot(has("repaid") ? 2n : 1n, 20n, "take")) : []),
    ...at(9n, revokeLot(has("repaid") ? 2n : 1n, 70n, has("owed") ? "owe" : "take")),
  ],
} as const;
