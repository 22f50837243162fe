import type { Entry } from "../../gen/points/v1/account_pb.ts";
import type { StreamEntriesResponse } from "../../gen/points/v1/ledger_pb.ts";
import { compareBytes, entryHash } from "./entry-hash.ts";
import {
  follow,
  type Followed,
  type Head,
  type Heads,
  takeBack,
  takeLost,
  type Verdict,
} from "./heads.ts";

/** A message of the stream, and what the check has found. */
export type CheckedMessage = {
  readonly message: StreamEntriesResponse;
  /** Of each of its entries, in their order. */
  readonly verdicts: readonly Verdict[];
  /**
   * Entries that had come and that the ledger no longer has: a restore or a promotion lost them. They
   * are told once the stream has caught up.
   */
  readonly lost: readonly Head[];
};

/**
 * Checks the answers of StreamEntries, of a call without `kinds`, by the hash chain of each account: a
 * lost tail, a changed, doubled or missing entry is found.
 *
 * @param heads what was kept of the entries before the cursor; it is changed as the messages come
 */
export async function* checkStream(
  messages: AsyncIterable<StreamEntriesResponse>,
  heads: Heads,
): AsyncGenerator<CheckedMessage, void> {
  for await (const message of messages) yield await checkMessage(heads, message);
}

async function checkMessage(heads: Heads, message: StreamEntriesResponse): Promise<CheckedMessage> {
  const { entries, feeds, epoch, epochChange, caughtUpTo } = message;
  if (epochChange !== undefined) {
    takeBack(heads, epochChange);
    return { message, verdicts: [], lost: [] };
  }
  const followed = entries.map((entry, index) =>
    follow(heads, entry, { epoch, feed: feeds[index] ?? 0n }),
  );
  const lost = caughtUpTo === undefined ? [] : takeLost(heads);
  // Each is compared with the hash that was sent before it, so that all can be hashed at once.
  const verdicts = await Promise.all(entries.map((entry, at) => hashed(entry, followed[at]!)));
  return { message, verdicts, lost };
}

async function hashed(entry: Entry, { verdict, previous }: Followed): Promise<Verdict> {
  if (previous === undefined) return verdict;
  const isRight = compareBytes(await entryHash(previous, entry), entry.hash) === 0;
  const { erasedHash } = entry;
  const isOfThis = erasedHash.length === 0 || compareBytes(erasedHash, previous) === 0;
  return (isRight && isOfThis) || verdict.kind === "fork" ? verdict : { kind: "badHash" };
}
