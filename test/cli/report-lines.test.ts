import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import {
  addsUp,
  changesSince,
  type Line,
  reportLines,
  type ReportSum,
} from "../../src/cli/report-lines.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import { KIND_NUMBERS } from "../../src/ledger/entry-kinds.ts";
import { isTrial } from "../../src/ledger/trial.ts";
import { assertUntil } from "../support/enough.ts";
import { Model } from "../support/model.ts";
import { randomSteps, type Step } from "../support/random-commands.ts";
import { SALT } from "../support/salts.ts";
import { beginBatch, decide, newWhole, type Whole } from "../support/whole-ledger.ts";

describe("the lines of a report", () => {
  test("come to what accounts have, and each to its total, for random journals", async () => {
    const seen = { consumed: 0, revoked: 0, repaid: 0, ofHolds: 0 };
    await assertUntil(
      () => Object.values(seen).every((count) => count > 0),
      fc.property(randomSteps(150), fc.nat(), fc.nat(), (steps, a, b) => {
        const journal = play(steps);
        const times = [...new Set(journal.map(({ time }) => time)), 1_000_000n];
        const cuts = [a, b].map((at) => times[at % times.length]!);
        const [start, end] = a % 3 === 0 ? [0n, 1_000_000n] : [least(cuts), most(cuts)];
        const before = (time: bigint) => journal.filter((entry) => entry.time < time);
        const [opening, closing] = [before(start), before(end)];
        const inside = closing.filter(({ time }) => time >= start);
        const lines = reportLines({
          opening: opening.map(sumOf),
          inside: inside.map(sumOf),
          closing: closing.map(sumOf),
        });
        expect(addsUp(lines)).toBe(true);
        const [first, last] = [figuresOf(opening), figuresOf(closing)];
        expect(lines.at(0)).toMatchObject(standing(first));
        expect(lines.at(-1)).toMatchObject(standing(last));
        expect(netOf(lines, "issued")).toBe(last.totalRecharged - first.totalRecharged);
        expect(netOf(lines, "refunded")).toBe(last.totalRefunded - first.totalRefunded);
        expect(netOf(lines, "consumed")).toBe(first.totalConsumed - last.totalConsumed);
        expect(netOf(lines, "expired")).toBe(first.totalExpired - last.totalExpired);
        expect(netOf(lines, "revoked")).toBe(first.totalRevoked - last.totalRevoked);
        expect(netOf(lines, "repaid from holds")).toBe(0n);
        seen.consumed += Number(netOf(lines, "consumed") !== 0n);
        seen.revoked += Number(netOf(lines, "revoked") !== 0n);
        seen.repaid += Number(inside.some(({ repaid }) => repaid > 0n));
        seen.ofHolds += Number(lines.some(({ line }) => line === "repaid from holds"));
      }),
      100,
    );
  });

  test("stand in their order, with a line for each category and service", () => {
    const inside = [
      sum(EntryKind.SETTLE, { service: "tts", points: 30n, owed: 10n }),
      sum(EntryKind.CONSUME, { service: "tts", points: 5n, entries: 2n }),
      sum(EntryKind.CONSUME, { points: 4n }),
      sum(EntryKind.RECHARGE, { category: "paid", points: 100n, repaid: 3n }),
      sum(EntryKind.RECHARGE, { category: "gift", points: 7n }),
      sum(EntryKind.RELEASE, { points: 9n, repaid: 2n }),
      sum(EntryKind.FREEZE, { points: 9n }),
    ];
    expect(shown(reportLines({ opening: [], inside, closing: inside }))).toEqual([
      "opening: 0 entries, held 0, debt 0, net 0",
      "issued gift: 1 entries, held 7, debt 0, net 7",
      "issued paid: 1 entries, held 97, debt -3, net 100",
      "refunded: 0 entries, held 0, debt 0, net 0",
      "consumed: 1 entries, held -4, debt 0, net -4",
      "consumed tts: 3 entries, held -25, debt 10, net -35",
      "expired: 0 entries, held 0, debt 0, net 0",
      "revoked: 0 entries, held 0, debt 0, net 0",
      "repaid from holds: 0 entries, held -2, debt -2, net 0",
      "other entries: 2 entries, held 0, debt 0, net 0",
      "closing: 8 entries, held 73, debt 5, net 68",
    ]);
  });

  test("do not add up if an entry is in the range and before it, too", () => {
    const both = [sum(EntryKind.RECHARGE, { points: 5n })];
    expect(addsUp(reportLines({ opening: both, inside: both, closing: both }))).toBe(false);
  });

  test("differ from an earlier report by what was booked since", () => {
    const before = [sum(EntryKind.RECHARGE, { category: "paid", points: 5n })];
    const late = sum(EntryKind.RECHARGE, { category: "allowance", points: 20n });
    const of = (inside: ReportSum[]) => reportLines({ opening: [], inside, closing: inside });
    expect(shown(changesSince(of(before), of([...before, late])))).toEqual([
      "issued allowance: 1 entries, held 20, debt 0, net 20",
      "closing: 1 entries, held 20, debt 0, net 20",
    ]);
    expect(changesSince(of(before), of(before))).toEqual([]);
    // What has left the prefix, as an erased user does, is gone from it.
    expect(shown(changesSince(of(before), of([])))).toEqual([
      "issued paid: -1 entries, held -5, debt 0, net -5",
      "closing: -1 entries, held -5, debt 0, net -5",
    ]);
  });

  test("are none of a kind that this version does not know", () => {
    const unknown = [sum(99 as EntryKind, { points: 5n })];
    const report = () => reportLines({ opening: [], inside: unknown, closing: unknown });
    expect(report).toThrow("entries of a kind 99");
  });
});

/** The journals of all accounts that random commands lead to. */
function play(steps: readonly Step[]): readonly Entry[] {
  const model = new Model();
  const accounts = new Map<string, Whole>();
  let now = 1n;
  for (const { laterBy, commands } of steps) {
    now += laterBy;
    for (const { userId } of commands) {
      if (!accounts.has(userId)) accounts.set(userId, newWhole());
    }
    for (const userId of new Set(commands.map((command) => command.userId))) {
      beginBatch(accounts.get(userId)!, now);
    }
    for (const unaimed of commands) {
      if (isTrial(unaimed)) continue;
      // It finds the holds and entries that commands mean.
      const command = model.aim(unaimed);
      model.run(command, now);
      decide(accounts.get(command.userId)!, command, { now, salt: SALT });
    }
  }
  return [...accounts.values()].flatMap(({ entries }) => [...entries.values()]);
}

function sumOf({ kind, points, owed, repaid, category }: Entry): ReportSum {
  return sum(KIND_NUMBERS[kind], { points, owed, repaid, category });
}

function sum(kind: EntryKind, said: Partial<ReportSum>): ReportSum {
  const nothing = { points: 0n, owed: 0n, repaid: 0n, service: "", category: "" };
  return { ...nothing, kind, entries: 1n, ...said };
}

/** The figures of all accounts together after their last of these entries. */
function figuresOf(entries: readonly Entry[]) {
  const last = new Map(entries.map((entry) => [entry.userId, entry.after]));
  const total = (figure: keyof Entry["after"]) =>
    [...last.values()].reduce((all, after) => all + after[figure], 0n);
  return {
    entries: BigInt(entries.length),
    held: total("balance") + total("frozen"),
    debt: total("debt"),
    totalRecharged: total("totalRecharged"),
    totalRefunded: total("totalRefunded"),
    totalConsumed: total("totalConsumed"),
    totalExpired: total("totalExpired"),
    totalRevoked: total("totalRevoked"),
  };
}

function standing({ entries, held, debt }: ReturnType<typeof figuresOf>) {
  return { entries, held, debt, net: held - debt };
}

function least(times: readonly bigint[]): bigint {
  return times.reduce((a, b) => (a < b ? a : b));
}

function most(times: readonly bigint[]): bigint {
  return times.reduce((a, b) => (a > b ? a : b));
}

function netOf(lines: readonly Line[], name: Line["line"]): bigint {
  return lines.filter(({ line }) => line === name).reduce((all, { net }) => all + net, 0n);
}

function shown(lines: readonly Line[]): string[] {
  return lines.map(({ line, of, entries, held, debt, net }) => {
    const name = of === "" ? line : `${line} ${of}`;
    return `${name}: ${entries} entries, held ${held}, debt ${debt}, net ${net}`;
  });
}
