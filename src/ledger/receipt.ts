import { type Account, GENESIS_HASH } from "./account.ts";
import type { Request } from "./command.ts";
import type { Entry } from "./entry.ts";
import { sha256 } from "./sha256.ts";

/**
 * That a command succeeded without an entry of its own: a named request, which is to get the same
 * answer again, or the making of an account. An account's receipts are a hash chain, as its entries
 * are.
 */
export type Receipt = {
  readonly userId: string;
  /** 1, 2, 3, … without gaps. */
  readonly number: bigint;
  /** Undefined: it made the account. */
  readonly request: Request | undefined;
  /** Of the entry that is its answer, or of the account's last at that time; 0: there was none. */
  readonly sequence: bigint;
  /** Whether that entry is its answer: the ledger booked it by itself, for this request. */
  readonly madeEntry: boolean;
  /** SHA-256, 32 bytes: see `hashReceipt`. */
  readonly hash: Uint8Array;
};

/** What a receipt chains to: the one before it. */
export type ReceiptLink = Pick<Receipt, "number" | "hash">;

/** What an account's first receipt chains to. */
export const NO_RECEIPT: ReceiptLink = { number: 0n, hash: GENESIS_HASH };

/** The account's next receipt, of a request that was answered with this entry and this account. */
export function nextReceipt(
  previous: ReceiptLink,
  request: Request | undefined,
  { entry, account }: { readonly entry: Entry | undefined; readonly account: Account },
): Receipt {
  const { userId, sequence } = account;
  const number = previous.number + 1n;
  const unhashed = { userId, number, request, sequence, madeEntry: entry !== undefined };
  return { ...unhashed, hash: hashReceipt(previous.hash, unhashed, account) };
}

/**
 * The hash that chains a receipt to the one before: SHA-256 of the previous hash (32 bytes) followed
 * by a JSON array, as that of `hashEntry`, of what it says, and of what the account was: when it was
 * made, and the hash of its entry of that sequence.
 */
export function hashReceipt(
  previous: Uint8Array,
  { userId, number, request, sequence, madeEntry }: Omit<Receipt, "hash">,
  account: Pick<Account, "createTime" | "hash">,
): Uint8Array {
  const content = [
    userId,
    String(number),
    request?.id ?? null,
    request === undefined ? null : Buffer.from(request.fingerprint).toString("hex"),
    String(sequence),
    madeEntry,
    String(account.createTime),
    Buffer.from(account.hash).toString("hex"),
  ];
  return sha256(previous, Buffer.from(JSON.stringify(content)));
}
