import { timeOf } from "../../src/ledger/account.ts";
import { apply } from "../../src/ledger/apply.ts";
import type { Command } from "../../src/ledger/command.ts";
import { bookDue } from "../../src/ledger/due.ts";
import type { Entry } from "../../src/ledger/entry.ts";
import type { Applied } from "../../src/ledger/journal.ts";
import { serviceOf } from "../../src/ledger/prices.ts";
import type { RefundedEntry } from "../../src/ledger/refundable.ts";
import { isRejection } from "../../src/ledger/rejection.ts";
import type { AccountState } from "../../src/ledger/state.ts";
import type { Micros } from "../../src/ledger/time.ts";

/** A user's whole account: all lots, holds and entries that there ever were. */
export type Whole = {
  state: AccountState | undefined;
  readonly entries: Map<bigint, Entry & RefundedEntry>;
  /** What each request id was answered with, and the hash of its request. */
  readonly answered: Map<string, { readonly hash: Uint8Array; readonly said: string }>;
  lastDue: Entry | undefined;
};

/** A user without an account. */
export function newWhole(): Whole {
  return { state: undefined, entries: new Map(), answered: new Map(), lastDue: undefined };
}

/** Books all that is due, as a batch does before a user's first command. */
export function beginBatch(whole: Whole, now: Micros): void {
  whole.lastDue = undefined;
  if (whole.state === undefined) return;
  const booked = bookDue(whole.state, timeOf(whole.state.account, now));
  whole.state = booked.state;
  noteEntries(whole, booked);
  whole.lastDue = booked.entries.at(-1);
}

function noteEntries(whole: Whole, { entries, state }: Pick<Applied, "entries" | "state">): void {
  for (const entry of entries) {
    const hold = state.holds.find(({ number }) => number === entry.refersTo);
    const usedService = serviceOf(entry);
    const service = entry.kind === "settle" ? hold!.service : usedService;
    whole.entries.set(entry.sequence, { ...entry, service, usedService });
  }
}

/**
 * Decides a command with the rules of the ledger, on the whole account.
 *
 * @param salt the account's, if the command makes it
 * @returns what `sayResult` says of the same result
 */
export function decide(
  whole: Whole,
  command: Command,
  { now, salt }: { now: Micros; salt: Uint8Array },
): string {
  const { lastDue, state } = whole;
  whole.lastDue = undefined;
  const request = command.kind === "open" ? undefined : command.request;
  const first = request && whole.answered.get(request.id);
  if (request !== undefined && first !== undefined) {
    return Buffer.compare(first.hash, request.hash) === 0 ? first.said : "REQUEST_ID_REUSED";
  }
  const applied = apply(state, command, { now: timeOf(state?.account, now), lastDue, salt });
  if (isRejection(applied)) return applied.reason;
  noteEntries(whole, applied);
  whole.state = { ...applied.state, entries: whole.entries };
  const said = sayResult(applied);
  if (request !== undefined) whole.answered.set(request.id, { hash: request.hash, said });
  return said;
}

/** A result as one text; the hash in it covers all that the entry says and all entries before. */
export function sayResult(
  result: { readonly entry: Entry | undefined } | { readonly reason: string },
): string {
  if ("reason" in result) return result.reason;
  if (result.entry === undefined) return "nothing";
  const { sequence, kind, points, time, hash } = result.entry;
  return `${sequence} ${kind} ${points} at ${time}, ${Buffer.from(hash).toString("hex")}`;
}
