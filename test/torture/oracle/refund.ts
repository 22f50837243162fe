import type { RefundRequest } from "../../../gen/points/v1/points_pb.ts";
import { comeBack, least } from "./debt.ts";
import { entryChanged } from "./guard.ts";
import { firstOf, type Part, together, totalOf, withoutFirst } from "./parts.ts";
import {
  endsWell,
  INVALID,
  LAST_INSTANT,
  lotsFull,
  refused,
  type Refused,
  tooLarge,
} from "./refusals.ts";
import {
  addLot,
  type Draft,
  draftOf,
  isPast,
  moveLot,
  type NewLot,
  type Replayed,
  type ReplayedLot,
  type Spend,
} from "./replay.ts";
import { nanosOf } from "./time.ts";

/** The oracle's verdict on a Refund: last taken first, back to its lots or into a new one. */
export function decideRefund(
  account: Replayed,
  request: RefundRequest,
  now: bigint,
): Draft | Refused {
  const { sequence, reissueTtl } = request;
  const expireTime = reissueTtl === undefined ? undefined : now + nanosOf(reissueTtl) / 1000n;
  if (!endsWell(expireTime, now)) return INVALID;
  const spend = spendOf(account, request);
  if ("refused" in spend) return spend;
  const refundable = spend.points + (spend.claim?.points ?? 0n) - spend.refunded;
  const required = request.points ?? refundable;
  if (required > refundable || refundable === 0n) {
    return refused("REFUND_EXCEEDS_ENTRY", { sequence, refundable, required });
  }
  const { ended, forgiven, again, taken } = lastTaken(account, spend, required);
  const points = required - ended;
  const large = tooLarge(account, "total_refunded", points);
  if (large !== undefined) return large;

  const claimOn = ({ number, claimed }: ReplayedLot) =>
    number === spend.claim?.lot ? claimed - ended : claimed;
  const { toLots, reissued } = split(taken, ({ lot: number }) => {
    const lot = account.lots.get(number)!;
    return expireTime !== undefined && isPast(lot, now) ? claimOn(lot) : undefined;
  });
  const debt = account.debt - forgiven;
  const back = comeBack(account, toLots, { debt, now, claimOn });
  const general = reissued.filter(({ lot }) => account.lots.get(lot)!.services.length === 0);
  const left = debt - totalOf(back.repaying);
  const alsoRepaid = least(left, totalOf(general));
  const repaid = forgiven + totalOf(back.repaying) + alsoRepaid;
  const renewedUntil = alsoRepaid > 0n ? expireTime! : 0n;
  const repaidUntil = renewedUntil > back.repaidUntil ? renewedUntil : back.repaidUntil;
  const fresh = again + totalOf(reissued) - alsoRepaid;
  const ofDebt = repaidUntil === LAST_INSTANT ? undefined : repaidUntil;
  const end = reissueTtl === undefined ? ofDebt : expireTime;
  const made = fresh === 0n ? undefined : newLot(account, { fresh, reissued, again, end });
  const wrong = refusalOfLots(account, { kept: back.kept, made, reissued, claimOn, now });
  if (wrong !== undefined) return wrong;
  const parts =
    made === undefined ? back.kept : [...back.kept, { lot: made.number, points: made.points }];
  return {
    ...draftOf("refund", parts),
    points,
    repaid,
    uncovered: ended,
    refersTo: sequence,
    expireTime: alsoRepaid > 0n ? expireTime : made?.expireTime,
    priority: made?.priority ?? 0,
    category: made?.category ?? "",
    services: made?.services ?? [],
    change(after) {
      after.balance += points - repaid;
      after.debt -= repaid;
      after.repaidUntil = repaidUntil;
      after.totalRefunded += points;
      // What of a claim is over takes nothing of what comes back.
      if (ended > 0n) after.lots.get(spend.claim!.lot)!.claimed -= ended;
      for (const part of back.kept) moveLot(after, part.lot, part.points, 0n);
      if (made !== undefined) addLot(after, made);
      after.spends.get(sequence)!.refunded += required;
    },
  };
}

/** What the entry spent or revoked, or the refusal. */
function spendOf(account: Replayed, { sequence, expectedHash }: RefundRequest): Spend | Refused {
  const changed = entryChanged(account, sequence, expectedHash);
  if (changed !== undefined) return changed;
  const kind = account.kinds.get(sequence);
  if (kind === undefined) return refused("ENTRY_NOT_FOUND", { sequence });
  return account.spends.get(sequence) ?? refused("ENTRY_NOT_REFUNDABLE", { sequence, kind });
}

/**
 * What is given back. Of what was claimed: what is open of the claim, which ends, and what the claim
 * has taken since. Of what was owed: the debt that there still is, and the rest. Then of lots.
 */
function lastTaken(account: Replayed, { parts, owed, claim, refunded }: Spend, points: bigint) {
  const first = [
    { lot: CLAIMED, points: claim?.points ?? 0n },
    { lot: OWED, points: owed },
  ];
  const left = withoutFirst([...first, ...parts.toReversed()], refunded);
  const last = together(firstOf(left, points), []);
  const sumOf = (which: bigint) => totalOf(last.filter(({ lot }) => lot === which));
  const [fromClaim, fromDebt] = [sumOf(CLAIMED), sumOf(OWED)];
  const open = claim === undefined ? 0n : account.lots.get(claim.lot)!.claimed;
  const ended = least(fromClaim, open);
  const since = fromClaim === ended ? [] : [{ lot: claim!.lot, points: fromClaim - ended }];
  const ofLots = last.filter(({ lot }) => lot > 0n);
  const forgiven = least(fromDebt, account.debt);
  return { ended, forgiven, again: fromDebt - forgiven, taken: together(since, ofLots) };
}

// They stand for lots in a list of parts; a lot's number is more than 0.
const CLAIMED = -1n;
const OWED = 0n;

/**
 * Splits what was taken into what goes back to its lots and what becomes a new lot.
 *
 * @param staysOf what of a lot stays there for its claim, if the rest is replaced; undefined: all stays
 */
function split(taken: readonly Part[], staysOf: (part: Part) => bigint | undefined) {
  const [toLots, reissued]: [Part[], Part[]] = [[], []];
  for (const part of taken) {
    const { lot, points } = part;
    const stays = least(points, staysOf(part) ?? points);
    if (stays > 0n) toLots.push({ lot, points: stays });
    if (stays < points) reissued.push({ lot, points: points - stays });
  }
  return { toLots, reissued };
}

type Lots = {
  readonly kept: readonly Part[];
  readonly made: NewLot | undefined;
  /** What the new lot replaces. */
  readonly reissued: readonly Part[];
  readonly claimOn: (lot: ReplayedLot) => bigint;
  readonly now: bigint;
};

/** The refusal if there are too many lots, or if the new one is for no service that all admit. */
function refusalOfLots(account: Replayed, { kept, made, reissued, claimOn, now }: Lots) {
  const opened = kept.filter(({ lot: number, points }) => {
    const lot = account.lots.get(number)!;
    // What is claimed does not stay in its lot.
    return points > claimOn(lot) && !account.openLots.has(lot) && !isPast(lot, now);
  });
  const full = lotsFull(account, opened.length + (made === undefined ? 0 : 1));
  if (full !== undefined || made?.services.length !== 0) return full;
  const isScoped = reissued.some(({ lot }) => account.lots.get(lot)!.services.length > 0);
  return isScoped ? INVALID : undefined;
}

type Made = {
  readonly fresh: bigint;
  readonly reissued: readonly Part[];
  /** The points of it that were owed and repaid since. */
  readonly again: bigint;
  readonly end: bigint | undefined;
};

function newLot(account: Replayed, { fresh: points, reissued, again, end }: Made): NewLot {
  const lots = reissued.map(({ lot }) => account.lots.get(lot)!);
  const isOfDebt = again > 0n;
  const priority = isOfDebt ? 0 : Math.min(...lots.map((lot) => lot.priority));
  const isOneKind = !isOfDebt && lots.every((lot) => lot.category === lots[0]!.category);
  const category = isOneKind ? lots[0]!.category : "";
  const scoped = lots.filter((lot) => lot.services.length > 0);
  const services = (scoped[0]?.services ?? []).filter((service) =>
    scoped.every((lot) => lot.services.includes(service)),
  );
  const number = account.sequence + 1n;
  return { number, points, remaining: points, priority, expireTime: end, category, services };
}
