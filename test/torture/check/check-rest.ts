import { EntryKind } from "../../../gen/points/v1/account_pb.ts";
import type { Clock } from "../deployment/clock.ts";
import type { History } from "../load/history.ts";
import { listedLots, type Replayed } from "../oracle/replay.ts";
import { microsOf } from "../oracle/time.ts";
import type { Complain } from "./check.ts";
import { accountMessage, bytesOf, holdMessage, isSame, lotMessage } from "./messages.ts";
import type { Reading } from "./read-account.ts";

/** Compares the account, its lots and its holds with the state that the journal leaves. */
export function checkRest(
  history: History,
  reading: Reading,
  replayed: Replayed,
  clock: Clock,
  complain: Complain,
): void {
  const { userId } = history;
  const { account, entries, one, lots, holds } = reading;
  const createTime = microsOf(account.createTime!);
  const expected = accountMessage({ userId, salt: reading.account.salt }, replayed, createTime);
  if (!isSame(bytesOf.account(account), bytesOf.account(expected))) {
    complain("mismatch", `the account is not as its last entry left it: ${account.balance} points`);
  }
  const listed = one && entries[Number(one.sequence) - 1];
  if (one !== undefined && !isSame(bytesOf.entry(one), listed && bytesOf.entry(listed))) {
    const { sequence } = one;
    complain("mismatch", `GetEntry and ListEntries differ in entry ${sequence}`, { sequence });
  }
  const expectedLots = listedLots(replayed).map(lotMessage);
  if (!isSameList(lots.map(bytesOf.lot), expectedLots.map(bytesOf.lot))) {
    const [found, wanted] = [lots, expectedLots].map((list) => list.map(lineOfLot).join(", "));
    complain("mismatch", `its lots are [${found}] and should be [${wanted}]`);
  }
  const expectedHolds = entries
    .filter(({ kind }) => kind === EntryKind.FREEZE)
    .map(({ sequence }) => holdMessage(replayed.holds.get(sequence)!))
    .toReversed();
  if (!isSameList(holds.map(bytesOf.hold), expectedHolds.map(bytesOf.hold))) {
    complain("mismatch", "its holds are not what the journal leaves");
  }
  checkCreation(history, reading, clock, complain);
}

/** Checks that one call made the account, and that nothing was applied to it before. */
function checkCreation(
  { asked, opened, openedFrom }: History,
  { account, created, entries }: Reading,
  clock: Clock,
  complain: Complain,
): void {
  const createTime = microsOf(account.createTime!);
  const makers = opened.filter((one) => one.created);
  if (makers.length + (created ? 1 : 0) > 1) {
    complain("doubled", `the account was made ${makers.length + (created ? 1 : 0)} times`);
  }
  const [maker] = makers;
  if (maker !== undefined) {
    const { from, upTo } = clock.span(maker.start, maker.end);
    const isWithin = createTime >= from && createTime <= upTo;
    if (!isWithin)
      complain("mismatch", `it was made at ${createTime}, not within the call that did`);
    const early = asked.some(({ attempts }) =>
      attempts.some(({ outcome, end }) => outcome?.kind === "applied" && end < maker.start),
    );
    if (early) complain("mismatch", "it was made after something was applied to it");
  }
  const first = entries[0];
  if (
    first !== undefined &&
    openedFrom === Infinity &&
    microsOf(first.createTime!) !== createTime
  ) {
    complain("mismatch", "it was made at another time than by its first entry");
  }
}

function isSameList(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((bytes, at) => isSame(bytes, b[at]));
}

function lineOfLot(lot: { number: bigint; remaining: bigint; frozen: bigint }): string {
  return `${lot.number}: ${lot.remaining} and ${lot.frozen} frozen`;
}
