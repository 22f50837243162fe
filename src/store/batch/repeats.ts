import { sql } from "kysely";
import { emptyAccount } from "../../ledger/account.ts";
import type { Command } from "../../ledger/command.ts";
import { accountAfter } from "../../ledger/entry.ts";
import { type AnsweredRequest, idempotencyKey, requestOf } from "../../ledger/idempotency.ts";
import { rowsOf, textOfKey, texts } from "../driver/columns.ts";
import type { Run } from "../driver/transaction.ts";
import type { LockedAccounts } from "./accounts.ts";
import { loadEntries } from "./entries.ts";

/**
 * Idempotency: loads the first answers of the commands that are repeats. Send it after the statement
 * that locks the accounts.
 *
 * @returns answered requests by `idempotencyKey`
 */
export async function loadRepeats(
  run: Run,
  commands: readonly Command[],
  locked: Promise<LockedAccounts>,
): Promise<Map<string, AnsweredRequest>> {
  const requests = commands.flatMap((command) => {
    const request = requestOf(command);
    return request === undefined ? [] : [{ userId: command.userId, requestId: request.id }];
  });
  if (requests.length === 0) return new Map();
  const seen = await findSeen(run, requests);
  if (seen.length === 0) return new Map();
  const keys = seen.map((row) => ({ userId: row.user_id, number: BigInt(row.sequence) }));
  const [{ accounts }, entries] = await Promise.all([locked, loadEntries(run, keys)]);
  const byKey = new Map(entries.map((entry) => [textOfKey(entry.userId, entry.sequence), entry]));

  const repeats = new Map<string, AnsweredRequest>();
  for (const { user_id: userId, request_id: id, fingerprint, sequence, made_entry } of seen) {
    const account = accounts.get(userId);
    // Another server has just made it: our own insert will fail, and the batch is tried again.
    if (account === undefined) continue;
    const entry = byKey.get(textOfKey(userId, sequence));
    repeats.set(idempotencyKey(userId, id), {
      request: { id, fingerprint },
      entry: made_entry ? entry : undefined,
      account: entry === undefined ? emptyAccount(userId, account) : accountAfter(entry, account),
    });
  }
  return repeats;
}

type SeenRow = {
  user_id: string;
  request_id: string;
  fingerprint: Uint8Array;
  /** The sequence of the answer's entry, or of the account's last entry then. */
  sequence: string;
  made_entry: boolean;
};

/** Finds the requests that made an entry or got a receipt. */
async function findSeen(
  run: Run,
  requests: readonly { readonly userId: string; readonly requestId: string }[],
): Promise<readonly SeenRow[]> {
  // `limit 1` makes the planner use two index look-ups a request, whatever the statistics say.
  const { rows } = await run(sql<SeenRow>`
    select seen.* from ${rowsOf({
      user_id: texts(requests, ({ userId }) => userId),
      request_id: texts(requests, ({ requestId }) => requestId),
    })} as asked
    cross join lateral (
      (select user_id, request_id, fingerprint, sequence, true as made_entry from entry
        where entry.user_id = asked.user_id and entry.request_id = asked.request_id limit 1)
      union all
      (select user_id, request_id, fingerprint, sequence, made_entry from receipt
        where receipt.user_id = asked.user_id and receipt.request_id = asked.request_id limit 1)
    ) as seen`);
  return rows;
}
