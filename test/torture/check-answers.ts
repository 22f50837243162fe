import type { Complain, World } from "./check.ts";
import { decide, isMalformed } from "./decide.ts";
import type { Span } from "./clock.ts";
import type { Asked, Attempt, History, Opened, Outcome } from "./history.ts";
import { bytesOf, isSame } from "./messages.ts";
import { appliers, type Interval, type Order } from "./order.ts";
import type { Reading } from "./read-account.ts";
import { booked, dueDraft, type Replayed, type Step, stepsOf } from "./replay.ts";

/** Something that has to be true of one of the states that an account went through. */
export type Sighting = {
  /** The first and the last sequence of those states. */
  readonly first: number;
  readonly last: number;
  /** `shown` gives the bytes of the account as the API has to show it then. */
  readonly isTrueOf: (account: Replayed, shown: () => Uint8Array) => boolean;
  /** What to say if it is true of none. */
  readonly complaint: string;
  readonly tag?: string;
};

type Applied = Extract<Outcome, { kind: "applied" }>;
type RefusedOutcome = Extract<Outcome, { kind: "refused" }>;

/** An operation that took a request id, and the entry that it made, if it made one. */
type Winner = { readonly asked: Asked; readonly sequence: bigint | undefined } & Interval;

/**
 * Checks what can be said of answers without the rules of the ledger: each that was applied is in
 * the journal as it was answered, what was not applied is not, and request ids are kept.
 *
 * @returns what the replay of the journal has to look for
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
          const sighting = checkRefused(
            asked,
            attempt,
            outcome,
            winner,
            existedBy,
            order,
            world,
            complain,
          );
          if (sighting !== undefined) sightings.push(sighting);
        }
        if (outcome?.kind === "applied" && outcome.entry === undefined) {
          sightings.push(nothingSighting(asked, attempt, outcome, order, world));
        }
      }
    }
  }
  checkPlaces(history, complain);
  return sightings;
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
  if (asked === undefined) return undefined;
  return { asked, sequence: order.sequences.get(asked.tag), ...order.intervalOf(asked) };
}

/** What was applied is there as it was answered, and what is there was not denied. */
function checkApplied(asked: Asked, reading: Reading, order: Order, complain: Complain): void {
  const { tag, attempts } = asked;
  const sequence = order.sequences.get(tag);
  const entry = sequence === undefined ? undefined : reading.entries[Number(sequence) - 1];
  const bytes = entry === undefined ? undefined : bytesOf.entry(entry);
  const answers = attempts.flatMap(({ outcome }) => (outcome?.kind === "applied" ? [outcome] : []));
  const about = { tag, sequence };

  const firsts = answers.filter(({ replayed }) => !replayed);
  if (firsts.length > 1)
    complain("doubled", `${tag} was answered as new ${firsts.length} times`, about);
  if ((entry !== undefined || answers.length > 0) && appliers(asked).length === 0) {
    const told = attempts.map(({ outcome }) => outcome && nameOf(outcome)).join(", ");
    complain("mismatch", `${tag} was applied, but its callers were told: ${told}`, about);
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

function checkRefused(
  asked: Asked,
  attempt: Attempt,
  outcome: RefusedOutcome,
  winner: Winner | undefined,
  existedBy: number,
  order: Order,
  world: World,
  complain: Complain,
): Sighting | undefined {
  const { tag } = asked;
  const { reason, metadata } = outcome;
  if (reason === "REQUEST_ID_REUSED") {
    const isKnown = winner !== undefined && winner.asked !== asked && winner.begin <= attempt.end;
    const sequence = winner?.sequence;
    const expected = {
      request_id: asked.operation.value.requestId,
      ...(sequence === undefined ? {} : { sequence: `${sequence}` }),
    };
    if (!isKnown || !isSameMetadata(metadata, expected)) {
      complain("mismatch", `${tag} was refused: ${nameOf(outcome)}`, { tag, sequence });
    }
    return undefined;
  }
  if (winner !== undefined && winner.end < attempt.start && !isMalformed(asked.operation)) {
    const by = winner.asked === asked ? "it" : winner.asked.tag;
    complain("mismatch", `${tag} was refused with ${reason} though ${by} had the request id`, {
      tag,
    });
  }
  if (reason === "ACCOUNT_NOT_FOUND") {
    const { userId } = asked.operation.value;
    if (existedBy < attempt.start || !isSameMetadata(metadata, { user_id: userId })) {
      complain("mismatch", `${tag} was refused: ${nameOf(outcome)}`, { tag });
    }
    return undefined;
  }
  return refusedSighting(asked, attempt, outcome, order, world);
}

/** At some moment of the call the account was such that the ledger had to refuse it. */
function refusedSighting(
  { tag, operation }: Asked,
  { start, end }: Attempt,
  outcome: RefusedOutcome,
  order: Order,
  { clock, prices }: World,
): Sighting {
  const span = clock.span(start, end);
  const { reason } = outcome;
  const balance = reason === "INSUFFICIENT_POINTS" ? outcome.metadata["balance"] : undefined;
  const isRefusedAt = (account: Replayed, step: Step, now: bigint) => {
    const decided = decide(booked(account, step), operation, now, prices);
    if (decided === undefined || !("refused" in decided)) return false;
    const { refused, metadata } = decided;
    if (refused !== reason) return false;
    return metadata === undefined || isSameMetadata(metadata, outcome.metadata);
  };
  return {
    ...order.statesDuring(start, end),
    isTrueOf: (account) =>
      stepsWithin(account, span).some(({ step, first, last }) => {
        if (balance !== undefined && String(step.balance) !== balance) return false;
        return isRefusedAt(account, step, first) || isRefusedAt(account, step, last);
      }),
    complaint: `${tag} was refused without a reason: ${nameOf(outcome)}`,
    tag,
  };
}

/** How an account is during a span of time, each time with its first and its last instant. */
function stepsWithin(account: Replayed, { from, upTo }: Span) {
  const steps = stepsOf(account);
  return steps.flatMap((step, index) => {
    const next = steps[index + 1]?.from ?? upTo + 1n;
    if (step.from > upTo || next <= from) return [];
    const first = step.from > from ? step.from : from;
    return [{ step, first, last: next <= upTo ? next - 1n : upTo }];
  });
}

/** The operation had nothing to do, and the account was as it was answered. */
function nothingSighting(
  asked: Asked,
  { start, end }: Attempt,
  { replayed, sequence, account: bytes }: Applied,
  order: Order,
  { clock, prices }: World,
): Sighting {
  const since = replayed ? order.intervalOf(asked).begin : start;
  const { first, last } = order.statesDuring(since, end);
  const { from } = clock.span(since, end);
  const at = Number(sequence);
  return {
    first: Math.max(first, at),
    last: Math.min(last, at),
    isTrueOf: (account, shown) =>
      isSame(bytes, shown()) &&
      dueDraft(account, from) === undefined &&
      decide(account, asked.operation, from, prices) === undefined,
    complaint:
      `${asked.tag} was answered as if it had nothing to do after entry ${sequence}, ` +
      `while the account stood at entries ${first} to ${last}`,
    tag: asked.tag,
  };
}

/** The account was as GetOrCreate answered, with nothing due. */
function openedSighting(
  { start, end, account: { sequence, balance }, bytes }: Opened,
  order: Order,
  { clock }: World,
): Sighting {
  const { first, last } = order.statesDuring(start, end);
  const { from } = clock.span(start, end);
  const at = Number(sequence);
  return {
    first: Math.max(first, at),
    last: Math.min(last, at),
    isTrueOf: (account, shown) => isSame(bytes, shown()) && dueDraft(account, from) === undefined,
    complaint:
      `GetOrCreate showed a balance of ${balance} after entry ${sequence}, ` +
      `while the account stood at entries ${first} to ${last}`,
  };
}

/** Operations of one call are applied in their order. */
function checkPlaces({ asked }: History, complain: Complain): void {
  const applied = asked.flatMap(({ tag, attempts }) =>
    attempts.flatMap(({ call, place, outcome }) =>
      outcome?.kind === "applied" && !outcome.replayed && outcome.entry !== undefined
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

function nameOf(outcome: Outcome): string {
  if (outcome.kind === "refused") return `${outcome.reason} ${JSON.stringify(outcome.metadata)}`;
  if (outcome.kind === "applied") return outcome.replayed ? "applied before" : "applied";
  return `${outcome.kind} ${outcome.reason}`;
}

type Metadata = Readonly<Record<string, string>>;

function isSameMetadata(a: Metadata, b: Metadata): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
