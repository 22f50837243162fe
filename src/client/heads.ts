import { type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import type { EpochChange } from "../../gen/points/v1/ledger_pb.ts";
import { compareBytes } from "./entry-hash.ts";

/** An entry that a reader of the stream has seen: whose, its number, and its place in the stream. */
export type Head = {
  readonly userId: string;
  readonly sequence: bigint;
  /** Undefined: only its number is known. */
  readonly hash: Uint8Array | undefined;
  readonly epoch: bigint;
  readonly feed: bigint;
  /** The account's entry before, as long as that is remembered. */
  before?: Head | undefined;
};

/** What a reader of the stream keeps to check it. Make it by `newHeads`. */
export type Heads = {
  /** The last entry of each account, by user id. */
  readonly last: Map<string, Head>;
  /** The newest entries of all accounts, oldest first: those that an epoch change may take back. */
  readonly recent: Map<string, Head>;
  readonly recentMax: number;
  /** Entries that an epoch change has put in doubt, by hash, until they come again. */
  readonly doubted: Map<string, Head>;
};

/** What an entry is to a reader who has kept the last entry of each account. */
export type Verdict =
  /** It follows the kept one. */
  | { readonly kind: "next" }
  /**
   * It is the first that came of this user. `checked`: it is entry 1. Another is right in a stream
   * that began in between, and where the reader was behind when the account was erased: an ERASE entry
   * of this user follows then.
   */
  | { readonly kind: "begins"; readonly checked: boolean }
  /** It came before. `checked`: it is the same, hash and content; else it is no longer remembered. */
  | { readonly kind: "repeat"; readonly checked: boolean }
  /** An ERASE entry: the account was that of this user until now. */
  | { readonly kind: "erased"; readonly formerUserId: string }
  /** These entries are missing. */
  | { readonly kind: "gap"; readonly from: bigint; readonly to: bigint }
  /** Another entry had this number: the journal was written anew after it, or went another way. */
  | { readonly kind: "fork"; readonly kept: Head }
  /** Its hash is not that of the hash before it and its content: one of them was changed. */
  | { readonly kind: "badHash" };

/** A verdict, but for the hash; `previous` is the hash that it chains to, if that is known. */
export type Followed = { readonly verdict: Verdict; readonly previous: Uint8Array | undefined };

/**
 * What a reader keeps who begins, or goes on.
 *
 * @param kept the last entries of accounts as of the cursor where the stream goes on
 * @param recentMax how many entries an epoch change can take back exactly, some 300 bytes each
 */
export function newHeads(kept: Iterable<Head> = [], recentMax = 100_000): Heads {
  const last = new Map([...kept].map((head) => [head.userId, head]));
  return { last, recent: new Map(), recentMax, doubted: new Map() };
}

/**
 * Judges the next entry of the stream, and keeps it. It is kept whatever it is, so that each break is
 * told once. The caller then compares its hash.
 */
export function follow(
  heads: Heads,
  entry: Pick<Entry, "userId" | "sequence" | "kind" | "hash" | "erasedHash" | "hashBefore">,
  place: { readonly epoch: bigint; readonly feed: bigint },
): Followed {
  const { userId, sequence } = entry;
  heads.doubted.delete(textOf(entry.hash));
  // A copy: the entry's is a view of its whole message, which would be kept with it.
  const head: Head = { userId, sequence, hash: new Uint8Array(entry.hash), ...place };
  const last = heads.last.get(userId);
  if (last === undefined) return begin(heads, head, entry);
  if (sequence > last.sequence + 1n) {
    keep(heads, head);
    const verdict = { kind: "gap", from: last.sequence + 1n, to: sequence - 1n } as const;
    return { verdict, previous: undefined };
  }
  if (sequence === last.sequence + 1n) {
    keep(heads, { ...head, before: last });
    return { verdict: { kind: "next" }, previous: last.hash };
  }
  const known = sequence === last.sequence ? last : heads.recent.get(nameOf(head));
  if (known?.hash === undefined) {
    return { verdict: { kind: "repeat", checked: false }, previous: undefined };
  }
  const previous = previousOf(known);
  if (compareBytes(known.hash, entry.hash) === 0) {
    return { verdict: { kind: "repeat", checked: previous !== undefined }, previous };
  }
  keep(heads, { ...head, before: known.before });
  return { verdict: { kind: "fork", kept: last }, previous };
}

/**
 * Takes back what another epoch puts in doubt, all from its place in the stream on: each account is
 * again where it was before. The entries that it takes back are in `doubted` until they come again.
 */
export function takeBack(heads: Heads, { endedEpoch, doubtedFromFeed }: EpochChange): void {
  if (doubtedFromFeed === 0n) return;
  const isInDoubt = ({ epoch, feed }: Head) =>
    epoch > endedEpoch || (epoch === endedEpoch && feed >= doubtedFromFeed);
  for (const [userId, last] of heads.last) {
    let head: Head | undefined = last;
    while (head !== undefined && isInDoubt(head)) {
      if (head.hash !== undefined) heads.doubted.set(textOf(head.hash), head);
      head = head.before ?? numberBefore(head);
    }
    if (head === last) continue;
    heads.last.delete(userId);
    // By the name that the account had then.
    if (head !== undefined) heads.last.set(head.userId, head);
  }
}

/**
 * The entries that are lost: those in doubt that have not come again, once the stream has caught up.
 * They are told once.
 */
export function takeLost({ doubted }: Heads): readonly Head[] {
  const lost = [...doubted.values()];
  doubted.clear();
  return lost;
}

function begin(
  heads: Heads,
  head: Head,
  entry: Pick<Entry, "kind" | "sequence" | "erasedHash" | "hashBefore">,
): Followed {
  const { kind, sequence, erasedHash, hashBefore } = entry;
  // A reader that was behind gets older entries under the new name first.
  const former = findHead(heads, sequence - 1n, kind === EntryKind.ERASE ? erasedHash : hashBefore);
  if (former !== undefined) {
    heads.last.delete(former.userId);
    keep(heads, { ...head, before: former });
    const verdict = { kind: "erased", formerUserId: former.userId } as const;
    return { verdict, previous: former.hash };
  }
  keep(heads, head);
  const previous = previousOf(head);
  return { verdict: { kind: "begins", checked: previous !== undefined }, previous };
}

/** It looks at each account: an erasure is rare, and an index of all hashes as large as they are. */
function findHead({ last }: Heads, sequence: bigint, hash: Uint8Array): Head | undefined {
  if (hash.length === 0) return undefined;
  for (const head of last.values()) {
    if (head.sequence !== sequence || head.hash === undefined) continue;
    if (compareBytes(head.hash, hash) === 0) return head;
  }
}

function keep({ last, recent, recentMax }: Heads, head: Head): void {
  last.set(head.userId, head);
  const name = nameOf(head);
  recent.delete(name);
  recent.set(name, head);
  if (recent.size <= recentMax) return;
  const [oldest, forgotten] = recent.entries().next().value!;
  recent.delete(oldest);
  // Else the account's newest entry would keep all of them in memory.
  forgotten.before = undefined;
}

/** The hash that an entry chains to; undefined: it is not known. */
function previousOf({ sequence, before }: Head): Uint8Array | undefined {
  return sequence === 1n ? GENESIS : before?.hash;
}

/** What is known of the entry before one whose own is no longer remembered. */
function numberBefore({ userId, sequence }: Head): Head | undefined {
  if (sequence === 1n) return undefined;
  return { userId, sequence: sequence - 1n, hash: undefined, epoch: 0n, feed: 0n };
}

const GENESIS = new Uint8Array(32);

function nameOf({ userId, sequence }: Head): string {
  return `${userId} ${sequence}`;
}

function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
