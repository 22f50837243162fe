import { expect } from "vitest";
import type { Entry } from "../../src/ledger/entry.ts";
import type { Allowance } from "../../src/ledger/policy.ts";
import { LAST_INSTANT } from "../../src/ledger/time.ts";
import { endOfPoints, startOfPeriod, startWithoutEnd } from "../../src/verify/calendar.ts";

/**
 * Looks at every period of every allowance, one by one: it is in the journal once if its points outlive
 * it or repaid a debt, or if they were alive when somebody came or something else happened, and else it
 * is not there.
 *
 * @param journal without refunds: a lot that they open again waits for nobody
 */
export function expectEachPeriodOnce(
  journal: readonly Entry[],
  visits: ReadonlySet<bigint>,
): number {
  const versions = versionsOf(journal);
  const quietLots = new Set<bigint>();
  const givenBy = new Map<string, Entry[]>();
  const happened: Entry[] = [];
  for (const entry of journal) {
    const version = versions.findLast(
      ({ name, from }) => name === entry.cause && from < entry.sequence,
    );
    if (version === undefined) {
      const isQuiet = ({ lot }: { lot: bigint }) => quietLots.has(lot);
      if (entry.kind === "setPolicy") {
        for (const lot of lotsOf(givenBy, entry.policy!.name)) quietLots.delete(lot);
      }
      if (entry.kind !== "expire" || !entry.allocations.every(isQuiet)) happened.push(entry);
      continue;
    }
    givenBy.set(version.name, [...(givenBy.get(version.name) ?? []), entry]);
    version.given.set(entry.time, entry);
    if (version.rule.life.kind === "periods") quietLots.add(entry.sequence);
    if (version.rule.life.kind !== "periods" || entry.repaid > 0n) happened.push(entry);
  }
  const comes = [...visits];
  const last = comes.at(-1)!;
  let count = 0;
  for (const { name, rule: one, notBefore, until, given } of versions) {
    let left = given.size;
    for (let k = 0; ; k += 1) {
      const start = startOfPeriod(one, k);
      if (start === null || start > until || start > last) break;
      if (start < notBefore) continue;
      count += 1;
      const end = endOfPoints(one, k) ?? LAST_INSTANT + 1n;
      const entry = given.get(start);
      if (entry !== undefined) left -= 1;
      const before =
        entry === undefined
          ? journal.findLast((other) => isBefore(other, start, name))
          : journal[Number(entry.sequence) - 2];
      const isOwed =
        one.life.kind !== "periods" || (one.services.length === 0 && before!.after.debt > 0n);
      const isSeen =
        comes.some((time) => start <= time && end > time && time <= until) ||
        happened.some(
          (other) =>
            end > other.time &&
            other.time <= until &&
            (start < other.time || (start === other.time && name < other.cause)),
        );
      expect([name, k, entry !== undefined]).toEqual([name, k, isOwed || isSeen]);
    }
    expect([name, left]).toEqual([name, 0]);
  }
  return count;
}

/** Whether an entry comes before what an allowance gives at an instant at which nobody came. */
function isBefore({ time, kind, cause }: Entry, start: bigint, name: string): boolean {
  return time < start || (time === start && (kind !== "recharge" || cause < name));
}

function lotsOf(givenBy: ReadonlyMap<string, readonly Entry[]>, name: string): readonly bigint[] {
  return (givenBy.get(name) ?? []).map(({ sequence }) => sequence);
}

type Version = {
  readonly name: string;
  readonly rule: Allowance;
  readonly from: bigint;
  readonly notBefore: bigint;
  until: bigint;
  readonly given: Map<bigint, Entry>;
};

/** The allowances that an account had, each from the entry that set it to that which ended it. */
function versionsOf(journal: readonly Entry[]): Version[] {
  const versions: Version[] = [];
  for (const { policy, sequence: from, time } of journal) {
    if (policy === null || policy.rule?.kind === "creditLine") continue;
    const { name, rule: one } = policy;
    const before = versions.findLast((version) => version.name === name);
    const wasOn = before !== undefined && before.until === LAST_INSTANT;
    if (wasOn) before.until = time;
    if (one === null) continue;
    // Its first period is not before the next one of that before it.
    const next = before === undefined ? time : nextOf(before);
    const notBefore = next > time ? next : time;
    versions.push({
      name,
      rule: one as Allowance,
      from,
      notBefore,
      until: LAST_INSTANT,
      given: new Map(),
    });
  }
  return versions;
}

function nextOf({ rule: one, notBefore, until }: Version): bigint {
  for (let k = 0; ; k += 1) {
    const start = startWithoutEnd(one, k);
    if (start === null) return 0n;
    // One that is not before the end was not given when another took its place.
    const hasEnded = one.endTime !== null && start >= one.endTime;
    if (start >= notBefore && (start > until || hasEnded)) return start;
  }
}
