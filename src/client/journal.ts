import type { Client } from "@connectrpc/connect";
import type { Account, Entry } from "../../gen/points/v1/account_pb.ts";
import type { PointsService } from "../../gen/points/v1/points_pb.ts";
import { checkJournal, type Fault } from "./check-journal.ts";

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
    const page = await points.listEntries({ userId, pageSize: PAGE, pageToken });
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
  let first: Fault | undefined;
  for await (const { fault } of checkJournal(newestFirst(entries), account)) first = fault ?? first;
  if (first !== undefined) throw new Error(textOf(first));
}

const PAGE = 1_000;

// oxlint-disable-next-line typescript/require-await -- as pages that a server is asked for
async function* newestFirst(entries: readonly Entry[]): AsyncGenerator<readonly Entry[]> {
  for (let end = entries.length; end > 0; end -= PAGE) {
    yield entries.slice(Math.max(0, end - PAGE), end).toReversed();
  }
}

function textOf({ kind, sequence }: Fault): string {
  switch (kind) {
    case "missing":
      return `entry ${sequence} is missing`;
    case "otherUser":
      return `entry ${sequence} is of another user`;
    case "personal":
      return `entry ${sequence} has another personal digest`;
    case "erasure":
      return `entry ${sequence} erases another journal`;
    case "hash":
      return `entry ${sequence} has another hash`;
    case "account":
      return `the account is not as entry ${sequence} left it`;
  }
}
