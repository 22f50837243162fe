import { sql } from "kysely";
import type { ReceiptLink } from "../../ledger/receipt.ts";
import { rowsOf, texts } from "../driver/columns.ts";
import type { Run } from "../driver/transaction.ts";

/**
 * Loads the last receipt of each user. Send it after the statement that locks the accounts.
 *
 * @returns receipts by user id; a user without any is missing
 * @throws an Error if an account's last receipt is gone: the next would hide that by its number
 */
export async function loadLastReceipts(
  run: Run,
  userIds: readonly string[],
): Promise<Map<string, ReceiptLink>> {
  if (userIds.length === 0) return new Map();
  const { rows } = await run(sql<LastRow>`
    select account.user_id, account.receipts, last.number, last.hash
    from ${rowsOf({ user_id: texts(userIds, (userId) => userId) })} as asked
    join account using (user_id)
    left join lateral (
      select number, hash from receipt where receipt.user_id = asked.user_id
      order by number desc limit 1
    ) as last on true`);
  const last = new Map<string, ReceiptLink>();
  for (const { user_id: userId, receipts, number, hash } of rows) {
    if (String(receipts) !== (number ?? "0")) throw new Error("an account's last receipt is gone");
    if (number !== null && hash !== null) last.set(userId, { number: BigInt(number), hash });
  }
  return last;
}

type LastRow = {
  user_id: string;
  receipts: number;
  number: string | null;
  hash: Uint8Array | null;
};
