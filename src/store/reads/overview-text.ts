import type { Micros } from "../../ledger/time.ts";

/** What all accounts of a scan have together, in points. */
export type HeldSums = {
  readonly accounts: bigint;
  readonly balance: bigint;
  readonly frozen: bigint;
  readonly debt: bigint;
  /** What of `balance` expires, in each of WEEKS weeks from the scan's beginning on. */
  readonly expiring: readonly bigint[];
  /** What of it expires after those weeks. */
  readonly expiringLater: bigint;
  /** What of it never expires. */
  readonly neverExpiring: bigint;
};

/** An account with a large balance. */
export type LargeAccount = {
  readonly userId: string;
  readonly balance: bigint;
  readonly frozen: bigint;
  readonly debt: bigint;
};

/** What a scan over all accounts has found. */
export type Overview = {
  /** When it began; it ended at `endTime`. */
  readonly asOf: Micros;
  readonly endTime: Micros;
  readonly sums: HeldSums;
  /** Largest balance first; of those alike by user id. */
  readonly largest: readonly LargeAccount[];
};

/** The weeks that are summed one by one: a year and some days. */
export const WEEKS = 53;
export const WEEK: Micros = 7n * 86_400_000_000n;

/** The same as JSON has it: numbers are texts. */
export type HeldSumsText = InTexts<HeldSums>;
export type LargeAccountText = InTexts<LargeAccount>;

type InTexts<T> = {
  readonly [Key in keyof T]: T[Key] extends readonly bigint[] ? readonly string[] : string;
};

/** Writes bigints as texts, for JSON. */
export function sumsText(sums: HeldSums): HeldSumsText {
  return {
    accounts: String(sums.accounts),
    balance: String(sums.balance),
    frozen: String(sums.frozen),
    debt: String(sums.debt),
    expiring: sums.expiring.map(String),
    expiringLater: String(sums.expiringLater),
    neverExpiring: String(sums.neverExpiring),
  };
}

/** Reads what `sumsText` wrote. */
export function sumsOfText(text: HeldSumsText): HeldSums {
  return {
    accounts: BigInt(text.accounts),
    balance: BigInt(text.balance),
    frozen: BigInt(text.frozen),
    debt: BigInt(text.debt),
    expiring: text.expiring.map(BigInt),
    expiringLater: BigInt(text.expiringLater),
    neverExpiring: BigInt(text.neverExpiring),
  };
}

/** Writes bigints as texts, for JSON. */
export function largeText({ userId, balance, frozen, debt }: LargeAccount): LargeAccountText {
  return { userId, balance: String(balance), frozen: String(frozen), debt: String(debt) };
}

/** Reads what `largeText` wrote. */
export function largeOfText({ userId, balance, frozen, debt }: LargeAccountText): LargeAccount {
  return { userId, balance: BigInt(balance), frozen: BigInt(frozen), debt: BigInt(debt) };
}
