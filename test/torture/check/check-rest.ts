import { create } from "@bufbuild/protobuf";
import { EntryKind, type Lot } from "../../../gen/points/v1/account_pb.ts";
import { type GetEntryResponse, GetEntryResponseSchema } from "../../../gen/points/v1/points_pb.ts";
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
  if (one !== undefined) checkOne(one, reading, replayed, complain);
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

/** Checks that GetEntry shows an entry as ListEntries does, and what has become of it since. */
function checkOne(
  one: GetEntryResponse,
  { entries }: Reading,
  { spends, lots }: Replayed,
  complain: Complain,
): void {
  const sequence = one.entry?.sequence ?? 0n;
  const entry = entries[Number(sequence) - 1];
  const { revoked = 0n, claimed = 0n } = lots.get(sequence) ?? {};
  const { refunded = 0n } = spends.get(sequence) ?? {};
  const referringEntries = entries
    .filter(({ refersTo }) => refersTo === sequence)
    .map((referring) => referring.sequence)
    .toReversed()
    .slice(0, REFERRING_MAX);
  const since = { refunded, revoked, claimed, referringEntries };
  const expected = create(GetEntryResponseSchema, { entry, ...since });
  if (isSame(bytesOf.one(one), bytesOf.one(expected))) return;
  const what = `GetEntry shows entry ${sequence} or what became of it otherwise than the journal`;
  complain("mismatch", what, { sequence });
}

const REFERRING_MAX = 100;

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

function lineOfLot({ number, remaining, frozen, revoked, claimed }: Lot): string {
  const undone = revoked === 0n ? "" : `, ${revoked} revoked, ${claimed} claimed`;
  return `${number}: ${remaining} and ${frozen} frozen${undone}`;
}
