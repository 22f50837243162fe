import { sql } from "kysely";
import { type Account, emptyAccount } from "../../ledger/account.ts";
import type { Command } from "../../ledger/command.ts";
import { accountAfter } from "../../ledger/entry.ts";
import { type Remembered, requestKey } from "../../ledger/repeat.ts";
import { rowsOf, texts } from "../driver/columns.ts";
import type { Run } from "../driver/transaction.ts";
import { loadEntries } from "./entries.ts";

/**
 * Which of these commands are repeats, and what was answered first. To be sent behind what locks
 * the accounts.
 *
 * @param locked the accounts that there are, by user id
 * @returns by `requestKey`
 */
export async function loadRepeats(
  run: Run,
  commands: readonly Command[],
  locked: Promise<ReadonlyMap<string, Account>>,
): Promise<Map<string, Remembered>> {
  const requests = commands.flatMap((command) =>
    command.kind !== "open" && command.request !== undefined
      ? [{ userId: command.userId, requestId: command.request.id }]
      : [],
  );
  if (requests.length === 0) return new Map();
  const seen = await findSeen(run, requests);
  if (seen.length === 0) return new Map();
  const names = seen.map((row) => ({ userId: row.user_id, number: BigInt(row.sequence) }));
  const [accounts, entries] = await Promise.all([locked, loadEntries(run, names)]);
  const byName = new Map(entries.map((entry) => [`${entry.userId} ${entry.sequence}`, entry]));

  const repeats = new Map<string, Remembered>();
  for (const { user_id: userId, request_id: id, fingerprint, sequence, made_entry } of seen) {
    const account = accounts.get(userId);
    // Another server has made it since: the insert of ours fails, and the batch is tried again.
    if (account === undefined) continue;
    const { createTime } = account;
    const entry = byName.get(`${userId} ${sequence}`);
    repeats.set(requestKey(userId, id), {
      request: { id, fingerprint },
      entry: made_entry ? entry : undefined,
      account:
        entry === undefined ? emptyAccount(userId, createTime) : accountAfter(entry, createTime),
    });
  }
  return repeats;
}

type SeenRow = {
  user_id: string;
  request_id: string;
  fingerprint: Uint8Array;
  /** Of the entry that it was answered with, or of the newest that it found. */
  sequence: string;
  made_entry: boolean;
};

/** Those of these requests that made an entry or got a receipt. */
async function findSeen(
  run: Run,
  requests: readonly { readonly userId: string; readonly requestId: string }[],
): Promise<readonly SeenRow[]> {
  // `limit 1` keeps the planner to two index look-ups a request, whatever it believes of the tables.
  const { rows } = await run(sql<SeenRow>`
    select seen.* from ${rowsOf({
      user_id: texts(requests, ({ userId }) => userId),
      request_id: texts(requests, ({ requestId }) => requestId),
    })} as asked
    cross join lateral (
      (select user_id, request_id, fingerprint, sequence, true as made_entry from points.entry
        where entry.user_id = asked.user_id and entry.request_id = asked.request_id limit 1)
      union all
      (select user_id, request_id, fingerprint, sequence, made_entry from points.receipt
        where receipt.user_id = asked.user_id and receipt.request_id = asked.request_id limit 1)
    ) as seen`);
  return rows;
}
