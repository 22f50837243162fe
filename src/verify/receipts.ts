import { NO_RECEIPT } from "../ledger/receipt.ts";
import type { Micros } from "../ledger/time.ts";
import type { Run } from "../store/driver/transaction.ts";
import { chainReceipt } from "./hashes.ts";
import type { ReadAccount, Span } from "./accounts.ts";
import { type ReadReceipt, readReceipts } from "./rows.ts";

/**
 * Checks the hash chain of receipts of a span's accounts, and the accounts' times of creation. An
 * account was made at the time of its first entry, unless its first receipt says that a request made
 * nothing but the account. The hash of a receipt covers the time of creation.
 *
 * @returns each user's first flaw, by user id; users without one are missing
 */
export async function flawsOfReceipts(
  run: Run,
  span: Span,
  { accounts, firstTimes }: Known,
): Promise<ReadonlyMap<string, string>> {
  const chains = new Map<string, Chain>();
  const flaws = new Map<string, string>();
  const note = (userId: string, flaw: string | undefined) => {
    if (flaw !== undefined && !flaws.has(userId)) flaws.set(userId, flaw);
  };
  for await (const receipts of readReceipts(run, span)) {
    for (const receipt of receipts) {
      const { userId } = receipt;
      if (flaws.has(userId)) continue;
      const chain = chains.get(userId) ?? { ...NO_RECEIPT, sequence: 0n, madeAccount: false };
      note(userId, flawOfReceipt(chain, receipt, accounts.get(userId)));
      const { number, hash, sequence, request } = receipt;
      const madeAccount = chain.madeAccount || request === undefined;
      chains.set(userId, { number, hash, sequence, madeAccount });
    }
  }
  for (const [userId, account] of accounts) {
    const chain = chains.get(userId);
    note(userId, flawOfCount(chain, account) ?? flawOfTime(chain, account, firstTimes.get(userId)));
  }
  return flaws;
}

/** The span's accounts and the times of their first entries, by user id. */
type Known = {
  readonly accounts: ReadonlyMap<string, ReadAccount>;
  readonly firstTimes: ReadonlyMap<string, Micros>;
};

/** An account's receipts so far: number, hash and sequence of the last. */
type Chain = Pick<ReadReceipt, "number" | "hash" | "sequence"> & {
  /** Whether the first of them made the account. */
  readonly madeAccount: boolean;
};

function flawOfReceipt(
  chain: Chain,
  receipt: ReadReceipt,
  read: ReadAccount | undefined,
): string | undefined {
  const { number, request, sequence, madeEntry, hash, entryHash, isOfLedger } = receipt;
  const isErased = receipt.personalDigest !== undefined;
  if (read === undefined) return `receipt ${number} has no account`;
  const account = read.account;
  if (account === undefined) return undefined; // Reported as unreadable elsewhere.
  const next = chain.number + 1n;
  if (number < next) return `receipt ${number} is out of place`;
  if (number > next) return `receipt ${next} is missing`;
  const name = `receipt ${number}`;
  if (entryHash === undefined) return `${name} is of entry ${sequence}, and there is none`;
  const { createTime, salt } = account;
  const hashed = chainReceipt(chain.hash, receipt, { createTime, hash: entryHash, salt });
  if (Buffer.compare(hashed, hash) !== 0) {
    const before = number === 1n ? "the account's time of creation" : "the receipt before";
    return `${name} has not the hash of its content and of ${before}`;
  }
  if (isErased && !read.hasNameDigest) return `${name} is erased, and the account never was`;
  if (isErased && receipt.entryIsKept) return `${name} is erased, and entry ${sequence} is not`;
  if (sequence < chain.sequence) return `${name} is older than the receipt before`;
  if (request === undefined && (number > 1n || sequence > 0n)) return `${name} is of no request`;
  if (madeEntry && !isOfLedger) {
    return `${name} is of entry ${sequence}, which the ledger did not book by itself`;
  }
}

function flawOfCount(chain: Chain | undefined, { receipts }: ReadAccount): string | undefined {
  const last = chain?.number ?? 0n;
  if (last < receipts) return `receipt ${last + 1n} is missing`;
  if (last === receipts) return undefined;
  return `receipt ${receipts + 1n} comes after the account's last receipt, which is ${receipts}`;
}

function flawOfTime(
  chain: Chain | undefined,
  { account }: ReadAccount,
  firstTime: Micros | undefined,
): string | undefined {
  if (account === undefined) return undefined;
  if (chain?.madeAccount === true) {
    if (firstTime === undefined || firstTime >= account.createTime) return undefined;
    return "the account was made after its first entry";
  }
  if (firstTime === undefined) return "neither an entry nor a receipt made the account";
  if (firstTime !== account.createTime) return "the account was not made by its first entry";
}
