import type { Client } from "@connectrpc/connect";
import type { Account, Entry } from "../../gen/points/v1/account_pb.ts";
import type { PointsService } from "../../gen/points/v1/points_pb.ts";
import { compareBytes, entryHash, personalDigest } from "./entry-hash.ts";

/** A user's account, and all entries that led to it, the first one first. */
export type Journal = { readonly account: Account; readonly entries: readonly Entry[] };

/** Reads an account, with everything booked that is due, and its entries up to then. */
export async function readJournal(
  points: Client<typeof PointsService>,
  userId: string,
): Promise<Journal> {
  const { account } = await points.getOrCreate({ userId });
  if (account === undefined) throw new Error("an answer without an account");
  const entries: Entry[] = [];
  let pageToken = "";
  do {
    const page = await points.listEntries({ userId, pageSize: 1000, pageToken });
    entries.push(...page.entries.filter(({ sequence }) => sequence <= account.sequence));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return { account, entries: entries.toReversed() };
}

/**
 * Checks a whole journal: its numbers, what is personal, the hash chain, and that it leads to the
 * account. docs/hash.md describes what is hashed.
 *
 * @throws an Error that names the first wrong entry
 */
export async function verifyJournal({ account, entries }: Journal): Promise<void> {
  let hash: Uint8Array = new Uint8Array(32);
  // What is personal in entries before the last erasure is gone: their digests stand for it.
  const erased = entries.findLast(isErasure)?.sequence ?? 0n;
  for (const [index, entry] of entries.entries()) {
    const { sequence, userId } = entry;
    if (sequence !== BigInt(index + 1) || userId !== account.userId) {
      throw new Error(`entry ${index + 1} is missing`);
    }
    const digest = await personalDigest(account.salt, entry);
    if (sequence >= erased && compareBytes(digest, entry.personalDigest) !== 0) {
      throw new Error(`entry ${sequence} has another personal digest`);
    }
    if (isErasure(entry) && compareBytes(hash, entry.erasedHash) !== 0) {
      throw new Error(`entry ${sequence} erases another journal`);
    }
    hash = await entryHash(hash, entry);
    if (compareBytes(hash, entry.hash) !== 0) throw new Error(`entry ${sequence} has another hash`);
  }
  const none = { sequence: 0n, balanceAfter: 0n, frozenAfter: 0n, debtAfter: 0n };
  const last = entries.at(-1) ?? none;
  const left = [last.sequence, last.balanceAfter, last.frozenAfter, last.debtAfter];
  const { sequence, balance, frozen, debt } = account;
  if (left.join() !== [sequence, balance, frozen, debt].join()) {
    throw new Error(`the account is not as entry ${last.sequence} left it`);
  }
}

function isErasure({ erasedHash }: Entry): boolean {
  return erasedHash.length > 0;
}
