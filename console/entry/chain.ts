import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { compareBytes, entryHash, personalDigest } from "../../src/client/entry-hash.ts";

/** Whether this page can hash: browsers let pages do so over https and on the machine itself alone. */
export function canHash(): boolean {
  return (crypto as { readonly subtle?: unknown }).subtle !== undefined;
}

/** What an entry's place in the chain is; undefined: there is no such neighbour. */
export type Links = {
  /** Its hash is that of the hash before it and of its content. */
  readonly isOwnRight: boolean;
  /** The next entry's hash is that of this entry's hash and of that one's content. */
  readonly isNextRight: boolean | undefined;
};

/**
 * Checks an entry against its neighbours.
 *
 * @param before undefined: it is the first
 * @param after undefined: it is the last
 */
export async function checkLinks(
  entry: Entry,
  { before, after }: { readonly before: Entry | undefined; readonly after: Entry | undefined },
): Promise<Links> {
  const isFirst = entry.sequence === 1n && before === undefined;
  const isAfter = before?.sequence === entry.sequence - 1n;
  const isOwnRight =
    (isFirst || isAfter) && (await isChained(entry, before === undefined ? GENESIS : before.hash));
  const isNextRight = after && (await isChained(after, entry.hash));
  return { isOwnRight, isNextRight };
}

/** The first thing that is wrong in a journal, from its end. */
export type Fault = {
  readonly kind: "missing" | "hash" | "personal" | "otherUser";
  readonly sequence: bigint;
};

/** How far a check has come. */
export type Checked = {
  readonly entries: number;
  /** The oldest one that was checked. */
  readonly sequence: bigint;
  readonly fault: Fault | undefined;
};

/**
 * Checks a whole journal from its last entry to its first, keeping a page in memory: numbers without
 * a gap, each hash, and what is personal as far back as the last erasure, which took it away.
 * docs/hash.md describes what is hashed. It ends at the first fault.
 *
 * @param pages of entries, newest first
 */
export async function* checkJournal(
  pages: AsyncIterable<readonly Entry[]>,
  { userId, salt }: { readonly userId: string; readonly salt: Uint8Array },
): AsyncGenerator<Checked, void> {
  let younger: Entry | undefined;
  let isErased = false;
  let entries = 0;
  for await (const page of pages) {
    const checks: Promise<Fault | undefined>[] = [];
    for (const entry of page) {
      const { sequence } = entry;
      if (entry.userId !== userId) checks.push(fault("otherUser", sequence));
      if (younger !== undefined) checks.push(checkPair(entry, younger));
      if (!isErased) checks.push(checkPersonal(entry, salt));
      isErased ||= entry.erasedHash.length > 0;
      younger = entry;
    }
    const found = (await Promise.all(checks)).find((one) => one !== undefined);
    entries += page.length;
    if (younger !== undefined) yield { entries, sequence: younger.sequence, fault: found };
    if (found !== undefined) return;
  }
  if (younger === undefined) return;
  const first = younger.sequence === 1n ? await checkHash(younger, GENESIS) : undefined;
  const found = younger.sequence === 1n ? first : await fault("missing", younger.sequence - 1n);
  if (found !== undefined) yield { entries, sequence: younger.sequence, fault: found };
}

const GENESIS = new Uint8Array(32);

async function checkPair(entry: Entry, younger: Entry): Promise<Fault | undefined> {
  const next = entry.sequence + 1n;
  return younger.sequence === next ? checkHash(younger, entry.hash) : fault("missing", next);
}

async function checkHash(entry: Entry, before: Uint8Array): Promise<Fault | undefined> {
  return (await isChained(entry, before)) ? undefined : fault("hash", entry.sequence);
}

async function checkPersonal(entry: Entry, salt: Uint8Array): Promise<Fault | undefined> {
  const digest = await personalDigest(salt, entry);
  const isRight = compareBytes(digest, entry.personalDigest) === 0;
  return isRight ? undefined : fault("personal", entry.sequence);
}

async function isChained(entry: Entry, before: Uint8Array): Promise<boolean> {
  const { erasedHash } = entry;
  if (erasedHash.length > 0 && compareBytes(erasedHash, before) !== 0) return false;
  return compareBytes(await entryHash(before, entry), entry.hash) === 0;
}

async function fault(kind: Fault["kind"], sequence: bigint): Promise<Fault> {
  return Promise.resolve({ kind, sequence });
}
