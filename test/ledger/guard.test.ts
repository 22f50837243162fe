import { describe, expect, test } from "vitest";
import type { Mutation } from "../../src/ledger/command.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import type { RefundedEntry } from "../../src/ledger/refundable.ts";
import { needsOf } from "../../src/ledger/needs.ts";
import {
  consume,
  expireLot,
  freeze,
  guarded,
  recharge,
  refund,
  extendHold,
  release,
  revokeLot,
  settle,
} from "../support/commands.ts";
import { decideAt, NOW, play } from "../support/statement.ts";

// 1 recharge 100, 2 freeze 20, 3 consume 10, 4 freeze 5 for a microsecond, 5 freeze, 6 release of 5,
// 7 recharge, from a later batch on: all hashes are those of entries that were loaded.
const played = play(undefined, [
  [0n, recharge(100n)],
  [0n, freeze(20n)],
  [0n, consume(10n)],
  [0n, freeze(5n, 1n)],
  [0n, freeze(5n)],
  [0n, release(5n)],
  [0n, recharge(3n)],
]);
const entries = new Map<bigint, Entry & RefundedEntry>();
for (let at = played.state.recent; at !== undefined; at = at.before) {
  entries.set(at.entry.sequence, { ...at.entry, service: null, usedService: null });
}
const hashes = new Map([...entries].map(([sequence, { hash }]) => [sequence, hash]));
const state = { ...played.state, entries, hashes, recent: undefined };

const hashOf = (sequence: bigint) => hashes.get(sequence)!;
const hex = (hash: Uint8Array) => Buffer.from(hash).toString("hex");

const GUARDED: [what: string, command: Mutation, names: bigint][] = [
  ["Settle", settle(2n, 5n), 2n],
  ["ExtendHold", extendHold(2n, { more: 1n }), 2n],
  ["Release", release(2n), 2n],
  ["Refund", refund(3n), 3n],
  ["Expire of a lot", expireLot(1n), 1n],
  ["Revoke of a lot", revokeLot(1n, 9n), 1n],
];

describe("a command that says which entry it means", () => {
  test.each(GUARDED)("is applied if that has the number: %s", (_, command, names) => {
    const without = decideAt(state, command, NOW);
    const decided = decideAt(state, guarded(command, hashOf(names)), NOW);
    expect(decided.refused).toBeUndefined();
    expect(decided.entries).toEqual(without.entries);
  });

  test.each(GUARDED)("is refused if another has it: %s", (_, command, names) => {
    for (const other of [...hashes.keys()].filter((sequence) => sequence !== names)) {
      const decided = decideAt(state, guarded(command, hashOf(other)), NOW);
      expect(decided.entries).toEqual([]);
      expect(decided.refused).toEqual({
        reason: "ENTRY_CHANGED",
        sequence: names,
        expectedHash: hex(hashOf(other)),
        hash: hex(hashOf(names)),
      });
    }
  });

  test.each(GUARDED)("needs the hash of that entry: %s", (_, command, names) => {
    expect(needsOf(guarded(command, hashOf(names))).guarded).toBe(names);
    expect(needsOf(command).guarded).toBeUndefined();
  });

  test("may mean one that was made in the same batch", () => {
    const { state: after, entry } = play(state, [[0n, freeze(1n)]]);
    const hold = entry!.sequence;
    expect(play(after, [[0n, guarded(settle(hold), entry!.hash)]]).entry?.kind).toBe("settle");
    expect(decideAt(after, guarded(settle(hold), hashOf(2n)), NOW).refused).toMatchObject({
      reason: "ENTRY_CHANGED",
      hash: hex(entry!.hash),
    });
  });
});

describe("what is told first if two things are wrong", () => {
  const endless = 2n ** 62n;
  const wrong = hashOf(1n);
  const wrongLot = hashOf(7n);
  const cases: [title: string, command: Mutation, later: bigint, reason: string][] = [
    ["no hold, where nothing has the number", guarded(settle(99n), wrong), 0n, "HOLD_NOT_FOUND"],
    [
      "another entry, where a recharge has a hold's",
      guarded(release(7n), wrong),
      0n,
      "ENTRY_CHANGED",
    ],
    ["no hold, if that recharge is meant", guarded(release(7n), hashOf(7n)), 0n, "HOLD_NOT_FOUND"],
    [
      "another entry, where a charge has a lot's",
      guarded(expireLot(3n), wrong),
      0n,
      "ENTRY_CHANGED",
    ],
    ["no lot, if that charge is meant", guarded(revokeLot(3n), hashOf(3n)), 0n, "LOT_NOT_FOUND"],
    [
      "another entry before too many points to revoke",
      guarded(revokeLot(1n, 999n), wrongLot),
      0n,
      "ENTRY_CHANGED",
    ],
    ["no entry, where nothing has the number", guarded(refund(99n), wrong), 0n, "ENTRY_NOT_FOUND"],
    [
      "too long a life before all that",
      guarded(refund(3n, 1n, endless), wrong),
      0n,
      "FIELD_INVALID",
    ],
    ["another entry before a closed hold", guarded(settle(5n), wrong), 0n, "ENTRY_CHANGED"],
    ["another entry before an ended hold", guarded(release(4n), wrong), 1n, "ENTRY_CHANGED"],
    ["another entry before too high a cost", guarded(settle(2n, 99n), wrong), 0n, "ENTRY_CHANGED"],
    ["another entry before another kind", guarded(refund(2n), wrong), 0n, "ENTRY_CHANGED"],
    ["another entry before too many points", guarded(refund(3n, 99n), wrong), 0n, "ENTRY_CHANGED"],
    ["a closed hold if the entry is right", guarded(settle(5n), hashOf(5n)), 0n, "HOLD_CLOSED"],
    ["an ended hold if the entry is right", guarded(settle(4n), hashOf(4n)), 1n, "HOLD_EXPIRED"],
    [
      "another kind if the entry is right",
      guarded(refund(2n), hashOf(2n)),
      0n,
      "ENTRY_NOT_REFUNDABLE",
    ],
  ];
  test.each(cases)("%s", (_, command, later, reason) => {
    expect(decideAt(state, command, NOW + later).refused?.reason).toBe(reason);
  });

  test("another entry before a lot that has nothing to expire", () => {
    const spent = play(state, [[0n, expireLot(7n)]]).state;
    expect(decideAt(spent, expireLot(7n), NOW).refused).toBeUndefined();
    const { refused } = decideAt(spent, guarded(expireLot(7n), wrong), NOW);
    expect(refused?.reason).toBe("ENTRY_CHANGED");
  });
});
