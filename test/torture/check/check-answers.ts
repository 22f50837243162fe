import { type Asked, type Attempt, type History, nameOf, type OutcomeOf } from "../load/history.ts";
import { isForDue, isMalformed } from "../oracle/decide.ts";
import type { Complain, World } from "./check.ts";
import { bytesOf, isSame } from "./messages.ts";
import { appliers, type Interval, type Order } from "./order.ts";
import type { Reading } from "./read-account.ts";
import {
  dueSighting,
  isSameMetadata,
  nothingSighting,
  openedSighting,
  refusedSighting,
  type Sighting,
} from "./sightings.ts";

/** The operation that took a request id, and its entry if it has a known one. */
type Winner = { readonly asked: Asked; readonly sequence: bigint | undefined } & Interval;

/** A refused attempt, and the operation that took its request id, if one did. */
type RefusedTry = {
  readonly asked: Asked;
  readonly attempt: Attempt;
  readonly outcome: OutcomeOf<"refused">;
  readonly winner: Winner | undefined;
};

/**
 * Checks answers without the ledger's rules (idempotency): each applied operation is in the journal
 * as it was answered, operations that were not applied are not there, and each request id is used
 * once.
 *
 * @returns the observations that the replay of the journal must confirm
 */
export function checkAnswers(
  history: History,
  reading: Reading,
  order: Order,
  world: World,
  complain: Complain,
): Sighting[] {
  const groups = Map.groupBy(
    history.asked,
    ({ tag, operation: { value } }) => value.requestId || tag,
  );
  const existedBy = Math.min(
    ...history.opened.map(({ end }) => end),
    ...history.asked.flatMap(({ attempts }) =>
      attempts.filter(({ outcome }) => outcome?.kind === "applied").map(({ end }) => end),
    ),
  );
  const sightings = history.opened.map((opened) => openedSighting(opened, order, world));
  for (const group of groups.values()) {
    const winner = winnerOf(group, order, complain);
    for (const asked of group) {
      checkApplied(asked, reading, order, complain);
      for (const attempt of asked.attempts) {
        const { outcome } = attempt;
        if (outcome?.kind === "refused") {
          const refused = { asked, attempt, outcome, winner };
          if (isRefusedAtOnce(refused, existedBy, complain)) continue;
          sightings.push(refusedSighting(asked, attempt, outcome, order, world));
        }
        if (outcome?.kind !== "applied") continue;
        if (isForDue(asked.operation)) {
          sightings.push(dueSighting(asked, attempt, outcome, order, world));
        } else if (outcome.entry === undefined) {
          sightings.push(nothingSighting(asked, attempt, outcome, order, world));
        }
      }
    }
  }
  checkPlaces(history, complain);
  return sightings;
}

/** Checks authentication: no request sent while its caller was out was answered or applied. */
export function checkWithdrawn(
  { caller: { outs }, asked, opened }: History,
  { sequences }: Order,
  complain: Complain,
): void {
  const wasOut = ({ start }: { readonly start: number }) =>
    outs.some(({ from, upTo }) => from < start && start < upTo);
  for (const one of asked) {
    const { tag, attempts } = one;
    const sequence = sequences.get(tag);
    const answered = attempts.find(
      (attempt) =>
        wasOut(attempt) &&
        (attempt.outcome?.kind === "applied" || attempt.outcome?.kind === "refused"),
    );
    if (answered !== undefined) {
      complain("mismatch", `${tag} was answered while its caller was out`, { tag, sequence });
    }
    const by = appliers(one);
    if (sequence !== undefined && by.length > 0 && by.every(wasOut)) {
      complain("mismatch", `${tag} was applied while its caller was out`, { tag, sequence });
    }
  }
  if (opened.some(wasOut)) complain("mismatch", "it was shown to a caller who was out");
}

function winnerOf(group: readonly Asked[], order: Order, complain: Complain): Winner | undefined {
  const winners = group.filter(
    ({ tag, attempts }) =>
      order.sequences.has(tag) || attempts.some(({ outcome }) => outcome?.kind === "applied"),
  );
  if (winners.length > 1) {
    const tags = winners.map(({ tag }) => tag).join(" and ");
    complain("doubled", `${tags} were applied under one request id`, { tag: winners[0]!.tag });
  }
  const [asked] = winners;
  if (asked === undefined) return possibleWinnerOf(group);
  const sequence = order.sequences.get(asked.tag) ?? dueSequenceOf(asked);
  return { asked, sequence, ...order.intervalOf(asked) };
}

/** An Expire without an entry may have taken the request id although no caller got an answer. */
function possibleWinnerOf(group: readonly Asked[]): Winner | undefined {
  const asked = group.find((one) => one.operation.case === "expire" && appliers(one).length > 0);
  if (asked === undefined) return undefined;
  const begin = Math.min(...appliers(asked).map(({ start }) => start));
  return { asked, sequence: undefined, begin, end: Infinity };
}

/** The entry in the answer to an Expire of what is due: one of the ledger's own. */
function dueSequenceOf({ operation, attempts }: Asked): bigint | undefined {
  if (!isForDue(operation)) return undefined;
  for (const { outcome } of attempts) {
    if (outcome?.kind === "applied" && outcome.entry !== undefined) return outcome.sequence;
  }
  return undefined;
}

/** Checks that an applied operation is in the journal as answered, and was not denied. */
function checkApplied(asked: Asked, reading: Reading, order: Order, complain: Complain): void {
  const { tag, attempts } = asked;
  const sequence = order.sequences.get(tag) ?? dueSequenceOf(asked);
  const entry = sequence === undefined ? undefined : reading.entries[Number(sequence) - 1];
  const bytes = entry === undefined ? undefined : bytesOf.entry(entry);
  const answers = attempts.flatMap(({ outcome }) => (outcome?.kind === "applied" ? [outcome] : []));
  const about = { tag, sequence };

  const firsts = answers.filter(({ replayed }) => !replayed);
  if (firsts.length > 1)
    complain("doubled", `${tag} was answered as new ${firsts.length} times`, about);
  if ((entry !== undefined || answers.length > 0) && appliers(asked).length === 0) {
    const answered = attempts.map(({ outcome }) => outcome && nameOf(outcome)).join(", ");
    complain("mismatch", `${tag} was applied, but its callers were told: ${answered}`, about);
  }
  for (const answer of answers) {
    if (answer.entry !== undefined && bytes === undefined) {
      complain("lost", `${tag} was acknowledged and is not in the journal`, about);
    } else if (!isSame(answer.entry, bytes)) {
      complain("mismatch", `${tag} was answered with another entry than the journal has`, about);
    }
    if (!isSame(answer.account, answers[0]!.account) || !isSame(answer.hold, answers[0]!.hold)) {
      complain("mismatch", `${tag} got two different answers`, about);
    }
  }
}

/** Whether the refusal does not depend on the account's state; complains if it is wrong. */
function isRefusedAtOnce(
  { asked, attempt, outcome, winner }: RefusedTry,
  existedBy: number,
  complain: Complain,
): boolean {
  const { tag, operation } = asked;
  const { reason, metadata } = outcome;
  const expect = (isRight: boolean) => {
    if (!isRight) complain("mismatch", `${tag} was refused: ${nameOf(outcome)}`, { tag });
    return true;
  };
  if (reason === "REQUEST_ID_REUSED") {
    const { requestId } = operation.value;
    const isKnown = winner !== undefined && winner.asked !== asked && winner.begin <= attempt.end;
    const { sequence, ...rest } = metadata;
    // If the winner was never answered, its sequence is unknown.
    const isOf =
      winner?.sequence === undefined && winner?.end === Infinity
        ? true
        : sequence === winner?.sequence?.toString();
    return expect(isKnown && isOf && isSameMetadata(rest, { request_id: requestId }));
  }
  if (isMalformed(operation)) return expect(reason === "FIELD_INVALID");
  if (winner !== undefined && winner.end < attempt.start) {
    const by = winner.asked === asked ? "it" : winner.asked.tag;
    complain("mismatch", `${tag} was refused with ${reason} though ${by} had the request id`, {
      tag,
    });
  }
  if (reason !== "ACCOUNT_NOT_FOUND") return false;
  const isNew = existedBy >= attempt.start;
  return expect(isNew && isSameMetadata(metadata, { user_id: operation.value.userId }));
}

/** Checks that the operations of one call were applied in their order. */
function checkPlaces({ asked }: History, complain: Complain): void {
  const applied = asked.flatMap(({ tag, operation, attempts }) =>
    attempts.flatMap(({ call, place, outcome }) =>
      // Everything due is booked before all commands of a batch.
      outcome?.kind === "applied" && !outcome.replayed && outcome.entry && !isForDue(operation)
        ? [{ tag, call, place, sequence: outcome.sequence }]
        : [],
    ),
  );
  for (const ofCall of Map.groupBy(applied, ({ call }) => call).values()) {
    const inOrder = ofCall.toSorted((a, b) => a.place - b.place);
    for (const [index, { tag, sequence }] of inOrder.entries()) {
      const before = inOrder[index - 1];
      if (before !== undefined && before.sequence >= sequence) {
        const what = `${tag} was applied before ${before.tag}, which came first in the same call`;
        complain("mismatch", what, { tag, sequence });
      }
    }
  }
}
