import type { Entry } from "../ledger/entry.ts";

/** What the entries of an account so far say of its erasures. */
export type Erasures = {
  /** Whether an ERASE entry was among them. */
  wasErased: boolean;
  /** The first entry since that keeps what is personal, and the first that does not. */
  kept: bigint | undefined;
  erased: bigint | undefined;
};

/** Before the first entry. */
export function noErasures(): Erasures {
  return { wasErased: false, kept: undefined, erased: undefined };
}

/**
 * Checks of an entry that what is personal is gone, or is there, as a whole, and of an ERASE entry that
 * it was erased of all entries before it. Then notes it.
 *
 * @param previous the hash of the entry before
 */
export function flawOfErasure(
  erasures: Erasures,
  previous: Uint8Array,
  entry: Entry,
): string | undefined {
  const { kind, sequence, personalDigest, erasedHash } = entry;
  if (kind === "erase") {
    if (erasedHash === null || Buffer.compare(erasedHash, previous) !== 0) {
      return "says another hash than that of the entry before";
    }
    if (erasures.kept !== undefined) return `erases entry ${erasures.kept}, which keeps its values`;
    erasures.wasErased = true;
    erasures.erased = undefined;
  }
  if (personalDigest === undefined) {
    erasures.kept ??= sequence;
    return undefined;
  }
  const { request, metadata, actor } = entry;
  if ((request?.id ?? "") !== "" || metadata.size > 0 || actor !== "") {
    return "keeps a digest of what was erased, and values";
  }
  erasures.erased ??= sequence;
}

/** Checks that ERASE entries, and the account's row, tell of all that was erased. */
export function flawOfErasedAccount(
  { wasErased, erased }: Erasures,
  { hasNameDigest }: { readonly hasNameDigest: boolean },
): { readonly sequence?: bigint; readonly what: string } | undefined {
  if (erased !== undefined)
    return { sequence: erased, what: "is erased, and no ERASE entry says so" };
  if (wasErased === hasNameDigest) return undefined;
  return { what: wasErased ? "the account has no name_digest" : "the account was never erased" };
}
