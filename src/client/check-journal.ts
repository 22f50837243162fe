import type { Account, Entry } from "../../gen/points/v1/account_pb.ts";
import { compareBytes, entryHash, personalDigest } from "./entry-hash.ts";

/** What is wrong with a journal, and at which entry. */
export type Fault = {
  readonly kind: "missing" | "otherUser" | "personal" | "erasure" | "hash" | "account";
  readonly sequence: bigint;
};

/** How far a check has come. */
export type Checked = {
  readonly entries: number;
  /** The oldest one that was checked. */
  readonly sequence: bigint;
  /** What is wrong since the last time; of several faults the oldest. */
  readonly fault: Fault | undefined;
};

/**
 * Checks a whole journal from its last entry to its first, keeping a page in memory: that it leads to
 * the account, numbers without a gap, each hash, and what is personal as far back as the last
 * erasure, which took it away. docs/hash.md describes what is hashed. After a fault it goes on.
 *
 * @param pages of entries, newest first
 * @param account with all that was due booked, and nothing since the last entry
 */
export async function* checkJournal(
  pages: AsyncIterable<readonly Entry[]>,
  account: Account,
): AsyncGenerator<Checked, void> {
  const { userId, salt } = account;
  let younger: Entry | undefined;
  let isErased = false;
  let entries = 0;
  for await (const page of pages) {
    if (younger === undefined && page.length === 0) continue;
    const checks: Promise<Fault | undefined>[] = [];
    for (const entry of page) {
      const { sequence } = entry;
      checks.push(
        younger === undefined
          ? Promise.resolve(checkEnd(entry, account))
          : checkPair(entry, younger),
      );
      if (!isErased) checks.push(checkPersonal(entry, salt));
      if (entry.userId !== userId) checks.push(Promise.resolve({ kind: "otherUser", sequence }));
      isErased ||= isErasure(entry);
      younger = entry;
    }
    const fault = (await Promise.all(checks)).findLast((one) => one !== undefined);
    entries += page.length;
    yield { entries, sequence: younger!.sequence, fault };
  }
  const fault = await checkFirst(younger, account);
  if (fault !== undefined) yield { entries, sequence: younger?.sequence ?? 0n, fault };
}

/** Whether an entry follows from the hash before it: of the first one, from `GENESIS`. */
export async function isChained(entry: Entry, before: Uint8Array): Promise<boolean> {
  return (await checkHash(entry, before)) === undefined;
}

/** What the first entry follows from. */
export const GENESIS = new Uint8Array(32);

const NO_ENTRY = { sequence: 0n, balanceAfter: 0n, frozenAfter: 0n, debtAfter: 0n };

/** @param last the newest entry, whose figures the account has */
function checkEnd(last: typeof NO_ENTRY, account: Account): Fault | undefined {
  const left = [last.sequence, last.balanceAfter, last.frozenAfter, last.debtAfter];
  const { sequence, balance, frozen, debt } = account;
  const isSame = left.join() === [sequence, balance, frozen, debt].join();
  return isSame ? undefined : { kind: "account", sequence: last.sequence };
}

async function checkFirst(first: Entry | undefined, account: Account): Promise<Fault | undefined> {
  if (first === undefined) return checkEnd(NO_ENTRY, account);
  if (first.sequence !== 1n) return { kind: "missing", sequence: first.sequence - 1n };
  return checkHash(first, GENESIS);
}

async function checkPair(entry: Entry, younger: Entry): Promise<Fault | undefined> {
  const next = entry.sequence + 1n;
  if (younger.sequence !== next) return { kind: "missing", sequence: next };
  return checkHash(younger, entry.hash);
}

async function checkHash(entry: Entry, before: Uint8Array): Promise<Fault | undefined> {
  const { sequence, erasedHash } = entry;
  if (isErasure(entry) && compareBytes(erasedHash, before) !== 0) {
    return { kind: "erasure", sequence };
  }
  const isRight = compareBytes(await entryHash(before, entry), entry.hash) === 0;
  return isRight ? undefined : { kind: "hash", sequence };
}

async function checkPersonal(entry: Entry, salt: Uint8Array): Promise<Fault | undefined> {
  const { sequence, personalDigest: said } = entry;
  const isRight = compareBytes(await personalDigest(salt, entry), said) === 0;
  return isRight ? undefined : { kind: "personal", sequence };
}

function isErasure({ erasedHash }: Entry): boolean {
  return erasedHash.length > 0;
}
