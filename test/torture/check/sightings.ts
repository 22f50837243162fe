import type { Span } from "../deployment/clock.ts";
import { type Asked, type Attempt, nameOf, type Opened, type OutcomeOf } from "../load/history.ts";
import { decide } from "../oracle/decide.ts";
import { isDue, nextDueTime } from "../oracle/due.ts";
import { type Replayed } from "../oracle/replay.ts";
import type { World } from "./check.ts";
import { isSame } from "./messages.ts";
import type { Order } from "./order.ts";

/** An observation: it must be true of one of the states that an account went through. */
export type Sighting = {
  /** The first and the last sequence of those states. */
  readonly first: number;
  readonly last: number;
  /** `shown` gives the bytes of the account as the API must show it in that state. */
  readonly isTrueOf: (account: Replayed, shown: () => Uint8Array) => boolean;
  /** The complaint if it is true of no state. */
  readonly complaint: string;
  readonly tag?: string;
};

/** A refusal: at some moment of the call, the account's state required it. */
export function refusedSighting(
  { tag, operation }: Asked,
  { start, end }: Attempt,
  outcome: OutcomeOf<"refused">,
  order: Order,
  { clock, prices }: World,
): Sighting {
  const span = clock.span(start, end);
  const { reason } = outcome;
  const balance = reason === "INSUFFICIENT_POINTS" ? outcome.metadata["balance"] : undefined;
  const isRefusedAt = (account: Replayed, now: bigint) => {
    const decided = decide(account, operation, now, prices);
    if (decided === undefined || !("refused" in decided)) return false;
    const { refused, metadata } = decided;
    if (refused !== reason) return false;
    return metadata === undefined || isSameMetadata(metadata, outcome.metadata);
  };
  return {
    ...order.statesDuring(start, end),
    isTrueOf: (account) => {
      if (balance !== undefined && String(account.balance) !== balance) return false;
      const { from, upTo } = nowWithin(account, span);
      return from <= upTo && (isRefusedAt(account, from) || isRefusedAt(account, upTo));
    },
    complaint: `${tag} was refused without a reason: ${nameOf(outcome)}`,
    tag,
  };
}

/** An answer without an entry: the operation had nothing to do on the account as answered. */
export function nothingSighting(
  asked: Asked,
  { start, end }: Attempt,
  { replayed, sequence, account: bytes }: OutcomeOf<"applied">,
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
    isTrueOf: (account, shown) => {
      const now = later(from, account.time);
      if (!isSame(bytes, shown()) || isDue(account, now)) return false;
      return decide(account, asked.operation, now, prices) === undefined;
    },
    complaint:
      `${asked.tag} was answered as if it had nothing to do after entry ${sequence}, ` +
      `while the account stood at entries ${first} to ${last}`,
    tag: asked.tag,
  };
}

/**
 * An answer to an Expire of what is due: nothing was due any more, and the account was as answered.
 * The entry in the answer is the ledger's last own entry, and was not there before the call.
 */
export function dueSighting(
  asked: Asked,
  { start, end }: Attempt,
  { replayed, sequence, entry, account: bytes }: OutcomeOf<"applied">,
  order: Order,
  { clock }: World,
): Sighting {
  const since = replayed ? order.intervalOf(asked).begin : start;
  const { first, last } = order.statesDuring(since, end);
  const { from } = clock.span(since, end);
  const at = Number(sequence);
  const booked = entry !== undefined;
  const how = booked ? "the last that was due was" : "nothing was due after";
  return {
    first: Math.max(booked ? first + 1 : first, at),
    last: Math.min(last, at),
    isTrueOf: (account, shown) =>
      isSame(bytes, shown()) &&
      !isDue(account, later(from, account.time)) &&
      !(booked && order.owners[at - 1] !== undefined),
    complaint:
      `${asked.tag} was answered as if ${how} entry ${sequence}, ` +
      `while the account stood at entries ${first} to ${last}`,
    tag: asked.tag,
  };
}

/** An answer of GetOrCreate: the account was as answered, with nothing due. */
export function openedSighting(
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
    isTrueOf: (account, shown) =>
      isSame(bytes, shown()) && !isDue(account, later(from, account.time)),
    complaint:
      `GetOrCreate showed a balance of ${balance} after entry ${sequence}, ` +
      `while the account stood at entries ${first} to ${last}`,
  };
}

/** Whether two refusals have the same metadata. */
export function isSameMetadata(a: Metadata, b: Metadata): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

type Metadata = Readonly<Record<string, string>>;

/**
 * The instants that a command may have as its time during a call, given the account's state: no
 * earlier than the account's last entry, with nothing due that is unbooked. None if `from` is later.
 */
function nowWithin(account: Replayed, { from, upTo }: Span): Span {
  const { sequence, time } = account;
  // Without entries: the account may have been created during the call.
  const first = sequence === 0n ? from : later(from, time);
  const last = later(upTo, time);
  const due = nextDueTime(account);
  return { from: first, upTo: due !== undefined && due <= last ? due - 1n : last };
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
