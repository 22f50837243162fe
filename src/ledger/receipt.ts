import { type Account, GENESIS_HASH } from "./account.ts";
import type { RecordedRequest } from "./command.ts";
import { keptDigestOf } from "./digests.ts";
import { Encoder } from "../encoding/encoder.ts";
import type { Entry } from "./entry.ts";

/**
 * The record of a command that succeeded without an entry of its own: a request with an id, whose
 * repeat must get the same answer, or the creation of an account. An account's receipts form a hash
 * chain, as its entries do.
 */
export type Receipt = {
  readonly userId: string;
  /** 1, 2, 3, … without gaps. */
  readonly number: bigint;
  /** Undefined: the receipt is of the creation of the account. */
  readonly request: RecordedRequest | undefined;
  /** The sequence of the answer's entry, or else of the account's last entry then; 0: none. */
  readonly sequence: bigint;
  /** Whether that entry is the answer: the ledger booked it by itself, for this request. */
  readonly madeEntry: boolean;
  /** Of a receipt whose user and request were erased: the digest of what they were. */
  readonly personalDigest?: Uint8Array;
  /** SHA-256, 32 bytes: see `hashReceipt`. */
  readonly hash: Uint8Array;
};

/** The receipt that the next one chains to. */
export type ReceiptLink = Pick<Receipt, "number" | "hash">;

/** The link that an account's first receipt chains to. */
export const NO_RECEIPT: ReceiptLink = { number: 0n, hash: GENESIS_HASH };

/** Makes the account's next receipt, of a request that got this entry and account as answer. */
export function nextReceipt(
  previous: ReceiptLink,
  request: RecordedRequest | undefined,
  { entry, account }: { readonly entry: Entry | undefined; readonly account: Account },
): Receipt {
  const { userId, sequence } = account;
  const number = previous.number + 1n;
  const unhashed = { userId, number, request, sequence, madeEntry: entry !== undefined };
  return { ...unhashed, hash: hashReceipt(previous.hash, unhashed, account) };
}

/**
 * The hash that chains a receipt to the one before: SHA-256 of the previous hash (32 bytes) and of
 * the encoding of the receipt's content, the account's time of creation, and the hash of the
 * account's entry of that sequence (32 zero bytes: there was none). Its tags are its own:
 *
 * 1 number, 2 personal digest, 3 fingerprint, 4 sequence, 5 whether that entry is the answer (1),
 * 6 time of creation, 7 the entry's hash.
 */
export function hashReceipt(
  previous: Uint8Array,
  { number, request, sequence, madeEntry, ...receipt }: Omit<Receipt, "hash">,
  account: Pick<Account, "createTime" | "hash" | "salt">,
): Uint8Array {
  const digest = keptDigestOf(account.salt, { ...NOTHING_SAID, ...receipt, request });
  encoder.begin(previous).number(1, number).bytes(2, digest);
  if (request !== undefined) encoder.bytes(3, request.fingerprint);
  return encoder
    .number(4, sequence)
    .number(5, madeEntry ? 1n : 0n)
    .number(6, account.createTime)
    .bytes(7, account.hash)
    .sha256();
}

const encoder = new Encoder();
const NOTHING_SAID = { metadata: new Map<string, string>(), actor: "", member: "" };
