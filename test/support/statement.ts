import { expect } from "vitest";
import { emptyAccount, timeOf } from "../../src/ledger/account.ts";
import { apply } from "../../src/ledger/apply.ts";
import type { Command } from "../../src/ledger/command.ts";
import { NO_COUNTS } from "../../src/ledger/counts.ts";
import { bookDue } from "../../src/ledger/due.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import type { Hold } from "../../src/ledger/hold.ts";
import { assertSound } from "../../src/ledger/invariants.ts";
import { compareBurnOrder, type Lot } from "../../src/ledger/lot.ts";
import { isRejection, type Rejection } from "../../src/ledger/rejection.ts";
import { type AccountState, bareState } from "../../src/ledger/state.ts";
import { SALT } from "./salts.ts";

/** The time of most tests: 2026-01-01T00:00:00Z. */
export const NOW = 1_767_225_600_000_000n;

/** Each lot as a line of a statement: "#1: 70 of 100, 20 frozen, expires +5, priority 2, for tts". */
export function lines(state: AccountState): string[] {
  return state.lots.toSorted((a, b) => Number(a.number - b.number)).map(line);
}

function line(lot: Lot): string {
  const { number, remaining, points, frozen, expireTime, priority, category, services } = lot;
  const aside = frozen === 0n ? "" : `, ${frozen} frozen`;
  const expires = expireTime === null ? "" : `, expires ${offset(expireTime)}`;
  const burns = priority === 0 ? "" : `, priority ${priority}`;
  const what = category === "" ? "" : `, a ${category}`;
  const isFor = services.length === 0 ? "" : `, for ${services.join(" ")}`;
  return `#${number}: ${remaining} of ${points}${aside}${expires}${burns}${what}${isFor}`;
}

/**
 * A hold as a line of a statement: "#3: 30 open until +50", "#3: 30 open until +50, 12 spent",
 * "#3: 30 settled for 20".
 */
export function holdLines(state: AccountState): string[] {
  return state.holds.toSorted((a, b) => Number(a.number - b.number)).map(holdLine);
}

function holdLine({ number, points, status, settled, expireTime }: Hold): string {
  const spent = settled === 0n ? "" : `, ${settled} spent`;
  const how = {
    open: ` until ${offset(expireTime)}${spent}`,
    settled: ` for ${settled}`,
    released: spent,
    expired: spent,
  };
  return `#${number}: ${points} ${status}${how[status]}`;
}

/**
 * An entry as a line of a statement: "4 consume 30: 20 of #1, 10 of #2",
 * "5 settle 20 of hold 3, 10 returned: 20 of #1", "6 refund 5 of entry 5: 5 of #1".
 */
export function entryLine(entry: Entry): string {
  const { sequence, kind, points, allocations } = entry;
  const parts = allocations.map((part) => `${part.points} of #${part.lot}`).join(", ");
  const tail = parts === "" ? "" : `: ${parts}`;
  return `${sequence} ${kind} ${points}${aboutOf(entry)}${debtsOf(entry)}${tail}`;
}

function debtsOf({ fromBalance, owed, uncovered, repaid }: Entry): string {
  const said = [
    [fromBalance, "beyond it"],
    [owed, "owed"],
    [uncovered, "uncovered"],
    [repaid, "repaid"],
  ] as const;
  return said.map(([points, how]) => (points === 0n ? "" : `, ${points} ${how}`)).join("");
}

function aboutOf({
  kind,
  refersTo,
  fromClaim,
  returned,
  keptOpen,
  expireTime,
  priority,
}: Entry): string {
  switch (kind) {
    case "freeze":
      return ` until ${offset(expireTime!)}`;
    case "settle":
      return ` of hold ${refersTo}${returned === 0n ? "" : `, ${returned} returned`}${keptOpen ? ", kept open" : ""}`;
    case "extend":
      return ` for hold ${refersTo} until ${offset(expireTime!)}`;
    case "release":
      return ` of hold ${refersTo}`;
    case "refund": {
      const burns = priority === 0 ? "" : `, priority ${priority}`;
      const made = expireTime === null ? "" : `, a new lot until ${offset(expireTime)}${burns}`;
      return ` of entry ${refersTo}${made}`;
    }
    case "revoke":
      return refersTo === null ? "" : ` of lot ${refersTo}${fromClaim ? " for its claim" : ""}`;
    default:
      return "";
  }
}

/** The account with these lots; its journal has one entry for each lot. */
export function stateOf(lots: readonly string[]): AccountState {
  const parsed = lots.map(parseLot);
  const sum = (of: (lot: Lot) => bigint) => parsed.reduce((total, lot) => total + of(lot), 0n);
  const account = {
    ...emptyAccount("ada", { salt: SALT, createTime: NOW - 100n }),
    sequence: parsed.reduce((last, { number }) => (number > last ? number : last), 0n),
    balance: sum((lot) => lot.remaining),
    totalRecharged: sum((lot) => lot.points),
    totalConsumed: sum((lot) => lot.points - lot.remaining),
  };
  return { ...bareState(account), lots: parsed.toSorted(compareBurnOrder) };
}

/** The account with a credit line that it has had from the first. */
export function withCreditLine(points: bigint, state: AccountState): AccountState {
  const policy = {
    name: "credit",
    rule: { kind: "creditLine", points },
    ended: false,
    sequence: 1n,
    countsFrom: 1n,
    next: undefined,
    given: [],
    counts: NO_COUNTS,
  } as const;
  return { ...state, policies: [policy] };
}

function parseLot(text: string): Lot {
  const match = LOT_LINE.exec(text);
  if (match === null) throw new Error(`not a lot: ${text}`);
  const [, number, remaining, points, expires, priority, category, services] = match;
  return {
    number: BigInt(number!),
    points: BigInt(points!),
    remaining: BigInt(remaining!),
    frozen: 0n,
    priority: Number(priority ?? 0),
    expireTime: expires === undefined ? null : NOW + (expires === "now" ? 0n : BigInt(expires)),
    category: category ?? "",
    services: services?.split(" ") ?? [],
  };
}

const LOT_LINE = new RegExp(
  [
    /^#(\d+): (\d+) of (\d+)/,
    /(?:, expires ([+-]\d+|now))?/,
    /(?:, priority (\d+))?/,
    /(?:, a ([^,]+))?/,
    /(?:, for (.+))?$/,
  ]
    .map(({ source }) => source)
    .join(""),
);

function offset(time: bigint): string {
  const distance = time - NOW;
  return distance === 0n ? "now" : distance > 0n ? `+${distance}` : String(distance);
}

/** Books everything due at an instant, and applies a command, as a batch of one does. */
export function decideAt(before: AccountState | undefined, command: Command, now: bigint) {
  const due = before && bookDue(before, timeOf(before.account, now));
  const state = due?.state;
  const at = { now: timeOf(state?.account, now), lastDue: due?.entries.at(-1), salt: SALT };
  const applied = apply(state, command, at);
  const booked = due?.entries ?? [];
  if (isRejection(applied)) return { state, entries: booked, refused: applied };
  return { ...applied, entries: [...booked, ...applied.entries], refused: undefined };
}

/** Runs a command at NOW, and gives the outcome as a statement. */
export function outcome(before: AccountState | undefined, command: Command) {
  const applied = decideAt(before, command, NOW);
  if (applied.refused !== undefined) return { refused: applied.refused satisfies Rejection };
  return {
    entries: applied.entries.map(entryLine),
    answer: applied.entry === undefined ? undefined : entryLine(applied.entry),
    lots: lines(applied.state),
    balance: applied.state.account.balance,
  };
}

/** A command, and its time in microseconds after NOW. */
export type Step = readonly [at: bigint, command: Command];

/** The effects of a sequence of commands, as a statement. */
export type Played = {
  readonly state: AccountState;
  /** All entries, in order. */
  readonly journal: readonly string[];
  /** The last command's entry; undefined if it has none. */
  readonly entry: Entry | undefined;
  readonly answer: string | undefined;
  readonly lots: readonly string[];
  readonly holds: readonly string[];
};

/** Applies commands, none of which may be refused, and checks the invariants after each. */
export function play(before: AccountState | undefined, steps: readonly Step[]): Played {
  let state = before;
  let entry: Entry | undefined;
  const journal: string[] = [];
  for (const [at, command] of steps) {
    const applied = decideAt(state, command, NOW + at);
    if (applied.refused !== undefined) {
      throw new Error(`refused at +${at}: ${applied.refused.reason}`);
    }
    ({ state, entry } = applied);
    expectSound(state);
    journal.push(...applied.entries.map(entryLine));
  }
  if (state === undefined) throw new Error("nothing was played");
  const answer = entry === undefined ? undefined : entryLine(entry);
  return { state, journal, entry, answer, lots: lines(state), holds: holdLines(state) };
}

/** Checks the invariants, including those between lots and open holds. */
export function expectSound(state: AccountState): void {
  assertSound(state);
  const open = state.holds.filter(({ status }) => status === "open");
  const held = open.reduce((sum, { points, settled }) => sum + points - settled, 0n);
  expect(state.account.frozen).toBe(held);
  for (const { number, points, remaining, frozen } of state.lots) {
    const ofLot = open
      .flatMap(({ allocations }) => allocations)
      .filter(({ lot }) => lot === number)
      .reduce((sum, part) => sum + part.points, 0n);
    expect({ lot: number, frozen }).toEqual({ lot: number, frozen: ofLot });
    expect(remaining + frozen).toBeLessThanOrEqual(points);
  }
  expect(state.lots).toEqual(state.lots.toSorted(compareBurnOrder));
  for (const { settled, points, status, allocations } of state.holds) {
    expect(settled).toBeLessThanOrEqual(points);
    const had = allocations.reduce((sum, part) => sum + part.points, 0n);
    if (status === "settled") expect(had).toBeGreaterThanOrEqual(points - settled);
    else expect(had).toBe(points - settled);
    expect(new Set(allocations.map(({ lot }) => lot)).size).toBe(allocations.length);
  }
}
