import { sql } from "kysely";
import type { Account } from "../../ledger/account.ts";
import { nameDigestOf } from "../../ledger/digests.ts";
import type { FeedPlace } from "../batch/feed.ts";
import { requireRows } from "../batch/write.ts";
import { bigints, bytes, rowsOf, texts, times } from "../driver/columns.ts";
import type { HoldRow, PolicyRow } from "../driver/entities.ts";
import type { Run } from "../driver/transaction.ts";
import { inPages, PAGE_ROWS } from "./pages.ts";
import type { Erasure } from "./personal.ts";

/** Gives the lots, the holds, the policies, and what is undone of an account its new name. */
export async function renameRows(run: Run, erasure: Erasure): Promise<void> {
  const { from, to } = erasure;
  for (const table of ["lot", "undone"]) {
    await run(sql`update ${sql.raw(table)} set user_id = ${to.userId}::text
      where user_id = ${from.userId}::text`);
  }
  await renameHolds(run, erasure);
  await renameRules(run, erasure);
  await renameCounts(run, erasure);
}

/**
 * Gives the account's row its new name and salt, and the ERASE entry as its last. The digest of its
 * first name stays.
 *
 * @param after the account as the ERASE entry leaves it
 */
export async function renameAccount(
  run: Run,
  { from }: Erasure,
  after: Account & { readonly place: FeedPlace },
): Promise<void> {
  const one = [after];
  const columns = {
    user_id: texts(one, ({ userId }) => userId),
    salt: bytes(one, ({ salt }) => salt),
    name_digest: bytes(one, () => nameDigestOf(from)),
    sequence: bigints(one, (account) => account.sequence),
    hash: bytes(one, ({ hash }) => hash),
    update_time: times(one, ({ updateTime }) => updateTime),
    feed: bigints(one, ({ place }) => place.feed),
    feed_epoch: bigints(one, ({ place }) => place.epoch),
  };
  // The sequences of claims and policies say which version of the server wrote the row last.
  const update = sql`
    update account set user_id = renamed.user_id, salt = renamed.salt,
      name_digest = coalesce(account.name_digest, renamed.name_digest),
      sequence = renamed.sequence, hash = renamed.hash, update_time = renamed.update_time,
      feed = renamed.feed, feed_epoch = renamed.feed_epoch,
      claims_sequence = case when open_claims > 0 then renamed.sequence else claims_sequence end,
      policies_sequence = case when policies > 0 then renamed.sequence else policies_sequence end
    from ${rowsOf(columns)} as renamed
    where account.user_id = ${from.userId}::text`;
  await run(requireRows(update, 1, "a locked account is gone"));
}

async function renameHolds(run: Run, { from, to, members }: Erasure): Promise<void> {
  await inPages("0", async (after) => {
    const { rows } = await run(sql<Pick<HoldRow, "number" | "member">>`
      select number, member from hold
      where user_id = ${from.userId}::text and number > ${after}::bigint
      order by number limit ${sql.lit(PAGE_ROWS)}`);
    const last = rows.at(-1)?.number ?? after;
    const renamed = rowsOf({
      number: bigints(rows, ({ number }) => BigInt(number)),
      member: texts(rows, ({ member }) => members.of(member ?? "") || null),
    });
    const update = sql`
      update hold set user_id = ${to.userId}::text, member = renamed.member
      from ${renamed} as renamed
      where hold.user_id = ${from.userId}::text and hold.number = renamed.number
        and hold.number > ${after}::bigint and hold.number <= ${last}::bigint`;
    await run(requireRows(update, rows.length, "a hold of a locked account is gone"));
    return rows.map(({ number }) => number);
  });
}

/** The rows of policies themselves: some dozens at most. */
async function renameRules(run: Run, { from, to, members }: Erasure): Promise<void> {
  const { rows } = await run(sql<Pick<PolicyRow, "name" | "rule">>`
    select name, rule from policy where user_id = ${from.userId}::text and member = ''`);
  const renamed = rowsOf({
    name: texts(rows, ({ name }) => name),
    rule: texts(rows, ({ rule }) => (rule === null ? null : members.inPolicy(rule))),
  });
  const update = sql`
    update policy set user_id = ${to.userId}::text, rule = renamed.rule
    from ${renamed} as renamed
    where policy.user_id = ${from.userId}::text and policy.member = ''
      and policy.name = renamed.name`;
  await run(requireRows(update, rows.length, "a policy of a locked account is gone"));
}

/** The rows of what members have spent. */
async function renameCounts(run: Run, { from, to, members }: Erasure): Promise<void> {
  await inPages("", async (after) => {
    const { rows } = await run(sql<Pick<PolicyRow, "member">>`
      select distinct member from policy
      where user_id = ${from.userId}::text and member > ${after}::text
      order by member limit ${sql.lit(PAGE_ROWS)}`);
    const named = rows.map(({ member }) => member);
    const renamed = rowsOf({
      member: texts(named, (member) => member),
      name: texts(named, members.of),
    });
    await run(sql`
      update policy set user_id = ${to.userId}::text, member = renamed.name
      from ${renamed} as renamed
      where policy.user_id = ${from.userId}::text and policy.member = renamed.member
        and policy.member > ${after}::text and policy.member <= ${named.at(-1) ?? after}::text`);
    return named;
  });
}
