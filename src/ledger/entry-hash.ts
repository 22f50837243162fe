import { keptDigestOf } from "./digests.ts";
import { Encoder } from "../encoding/encoder.ts";
import { KIND_NUMBERS } from "./entry-kinds.ts";
import { writePolicy } from "./policy-hash.ts";
import type { Entry } from "./entry.ts";
import type { Allocation } from "./lot.ts";
import type { Calculation, MeteredPoints, PricedUsage } from "./prices.ts";

/**
 * The hash that chains an entry to the one before: SHA-256 of the previous hash (32 bytes) and of
 * the encoding of all that Entry of the contract shows, by its field numbers. Times are microseconds
 * since 1970, durations nanoseconds. What is personal goes in as its digest. It must never change;
 * docs/hash.md describes it for others, with test vectors.
 *
 * @param salt the account's
 */
export function hashEntry(
  previous: Uint8Array,
  entry: Omit<Entry, "hash">,
  salt: Uint8Array,
): Uint8Array {
  return writeEntry(encoder.begin(previous), entry, salt).sha256();
}

/** Writes what is hashed of an entry. */
export function writeEntry(to: Encoder, entry: Omit<Entry, "hash">, salt: Uint8Array): Encoder {
  const { after, request, usage } = entry;
  to.number(2, entry.sequence)
    .text(3, String(KIND_NUMBERS[entry.kind]))
    .number(4, entry.points)
    .messages(5, entry.allocations, writeAllocation)
    .number(6, entry.time)
    .number(9, after.balance)
    .number(10, after.frozen)
    .number(11, entry.expireTime);
  if (entry.priority !== 0) to.text(12, String(entry.priority));
  to.number(14, entry.refersTo).number(15, entry.returned);
  if (usage !== null) to.message(16, usage, writeUsage);
  to.text(17, entry.caller).bytes(18, keptDigestOf(salt, entry));
  if (request !== undefined) to.bytes(19, request.fingerprint);
  to.text(22, entry.category)
    .texts(23, entry.services)
    .number(24, entry.owed)
    .number(25, entry.uncovered)
    .number(26, entry.repaid)
    .number(27, entry.fromBalance)
    .text(28, entry.cause)
    .texts(29, entry.alerts)
    .number(30, after.debt)
    .number(31, entry.keptOpen ? 1n : 0n)
    .number(32, entry.fromClaim ? 1n : 0n);
  if (entry.policy !== null) to.message(33, entry.policy, writePolicy);
  return entry.erasedHash === null ? to : to.bytes(34, entry.erasedHash);
}

const encoder = new Encoder();

function writeAllocation(to: Encoder, { lot, points }: Allocation): void {
  to.number(1, lot).number(2, points);
}

function writeUsage(to: Encoder, usage: PricedUsage): void {
  const { service, quantity, durationNanos, priceVersion, meters, attributes, calculation } = usage;
  to.text(1, service).number(2, quantity).number(3, durationNanos).text(4, priceVersion);
  if (meters.size > 0) to.map(5, new Map([...meters].map(([name, n]) => [name, String(n)])));
  to.map(6, attributes);
  if (calculation !== null) to.message(7, calculation, writeCalculation);
}

function writeCalculation(to: Encoder, calculation: Calculation): void {
  const { when, fixed, meters, factor, minimum, maximum } = calculation;
  to.map(1, when).number(2, fixed).messages(3, meters, writeMetered);
  if (factor !== null) to.text(4, `${factor.numerator}/${factor.denominator}`);
  to.number(5, minimum).number(6, maximum);
}

function writeMetered(to: Encoder, { of, amount, points, per, unitNanos }: MeteredPoints): void {
  to.text(1, of).number(2, amount).number(3, points).number(4, per).number(5, unitNanos);
}
