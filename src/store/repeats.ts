import { sql } from "kysely";
import { type Account, emptyAccount } from "../ledger/account.ts";
import type { Command } from "../ledger/command.ts";
import { accountAfter } from "../ledger/entry.ts";
import { type Remembered, requestKey } from "../ledger/repeat.ts";
import { texts } from "./columns.ts";
import { type EntryRow, toEntry } from "./entries.ts";
import type { Run } from "./transaction.ts";

/**
 * Which of these commands are repeats, and what was answered first.
 *
 * @param accounts the accounts that exist, by user id, locked
 * @returns by `requestKey`
 */
export async function loadRepeats(
  run: Run,
  commands: readonly Command[],
  accounts: ReadonlyMap<string, Account>,
): Promise<Map<string, Remembered>> {
  // Whoever has no account yet has no repeats. Another server may make one just now: then the
  // insert of ours fails, and the batch is tried again.
  const possible = commands.flatMap((command) =>
    command.kind !== "open" && command.request !== undefined && accounts.has(command.userId)
      ? [{ userId: command.userId, requestId: command.request.id }]
      : [],
  );
  if (possible.length === 0) return new Map();
  const asked = sql`
    unnest(
      ${texts(possible, ({ userId }) => userId)},
      ${texts(possible, ({ requestId }) => requestId)}
    ) as asked (user_id, request_id)`;
  // `limit 1` keeps the planner to one index look-up a request, whatever it believes of the table.
  const entries = run(sql<EntryRow>`
    select entry.* from ${asked}
    cross join lateral (
      select * from points.entry
      where entry.user_id = asked.user_id and entry.request_id = asked.request_id
      limit 1
    ) as entry`);
  const receipts = run(sql<ReceiptRow>`
    select receipt.user_id as of_user, receipt.request_id as receipt_id,
      receipt.fingerprint as receipt_fingerprint, entry.*
    from ${asked}
    join points.receipt using (user_id, request_id)
    left join points.entry
      on entry.user_id = receipt.user_id and entry.sequence = receipt.sequence
    `);

  const repeats = new Map<string, Remembered>();
  const [entryRows, receiptRows] = await Promise.all([entries, receipts]);
  for (const row of entryRows.rows) {
    const entry = toEntry(row);
    const { createTime } = accounts.get(entry.userId)!;
    repeats.set(requestKey(entry.userId, entry.request!.id), {
      request: entry.request!,
      entry,
      account: accountAfter(entry, createTime),
    });
  }
  for (const row of receiptRows.rows) {
    const { of_user: userId, receipt_id: id, receipt_fingerprint: fingerprint } = row;
    const { createTime } = accounts.get(userId)!;
    repeats.set(requestKey(userId, id), {
      request: { id, fingerprint },
      entry: undefined,
      account:
        row.user_id === null
          ? emptyAccount(userId, createTime)
          : accountAfter(toEntry(row), createTime),
    });
  }
  return repeats;
}

type Receipt = { of_user: string; receipt_id: string; receipt_fingerprint: Uint8Array };

type ReceiptRow = Receipt & (EntryRow | (Partial<EntryRow> & { user_id: null }));
