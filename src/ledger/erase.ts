import type { Account } from "./account.ts";
import { type Entry, nextEntry } from "./entry.ts";
import { contentOf, SYSTEM_CAUSE } from "./journal.ts";
import { slotOf } from "./slot.ts";
import type { Micros } from "./time.ts";

/** What an erased account is called from then on, and what its later entries are salted with. */
export type NewIdentity = Pick<Account, "userId" | "salt">;

/**
 * Erasure: gives an account another name and another salt, and appends the ERASE entry that says so,
 * by the hash of the entry before. The names of before, and what else is personal in its entries and
 * receipts, is the store's to take away; the chain needs only their digests.
 *
 * @param account on which everything due up to `now` is booked
 */
export function erase(
  account: Account,
  identity: NewIdentity,
  now: Micros,
): { entry: Entry; account: Account } {
  const draft = { kind: "erase", points: 0n, allocations: [], erasedHash: account.hash } as const;
  const renamed = { account: { ...account, ...identity }, policies: [] };
  return nextEntry(renamed, contentOf(draft, SYSTEM_CAUSE), now);
}

/**
 * A name for an erased account: of the same slot, so that the account stays where it is, and behind
 * the old name in the order of ids. So whoever goes through accounts in that order, such as `points
 * verify`, meets it, or meets it again, but never misses it.
 *
 * @param prefix that the old name begins with, and the new one too
 * @param random gives 12 to 32 random characters of base64url, others each time
 */
export function erasedName(userId: string, prefix: string, random: () => string): string {
  // "~" is the last character of an id. A name that begins with some gets one more.
  const [tildes] = /^~*/.exec(userId.slice(prefix.length))!;
  const slot = slotOf(userId);
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const name = `${prefix}${tildes}~erased-${random()}`;
    if (slotOf(name) === slot) return name;
  }
  throw new Error(`${TRIES_MAX} random names are all of other slots`);
}

/** One name in 1,024 is of the slot: that all of so many are not, has a chance of 10^-42. */
const TRIES_MAX = 100_000;
