import { expect } from "vitest";
import type { TestDatabase } from "./database.ts";

// The invariants of every account as SQL: each query finds violations. Kinds are numbers of EntryKind:
// 2 consume, 5 settle, 6 release, 7 refund. They read the table and not the view journal, whose joins
// PostgreSQL may plan as loops over all pairs of entries.
const BROKEN: Readonly<Record<string, string>> = {
  "an account's figures add up": `
    select user_id from points.account
    where balance + frozen + total_consumed + total_expired <> total_recharged + total_refunded + debt`,
  "an account's balance and frozen points are those of its lots": `
    select user_id from points.account left join (
      select user_id, sum(remaining) as remaining, sum(frozen) as frozen
      from points.open_lot group by user_id
    ) as lots using (user_id)
    where account.balance <> coalesce(lots.remaining, 0)
      or account.frozen <> coalesce(lots.frozen, 0)`,
  "an account's frozen points are those of its open holds": `
    select user_id from points.account left join (
      select user_id, sum(points - settled) as held
      from points.hold where status = 'open' group by user_id
    ) as holds using (user_id)
    where account.frozen <> coalesce(holds.held, 0)`,
  "an account's entries are numbered without gaps": `
    select user_id from points.account left join (
      select user_id, count(*) as entries, min(sequence) as first, max(sequence) as last
      from points.entry group by user_id
    ) as journal using (user_id)
    where account.sequence <> coalesce(entries, 0)
      or (entries > 0 and (first <> 1 or last <> entries))`,
  "an account is as its last entry left it": `
    select user_id from points.account join points.entry using (user_id, sequence)
    where (account.balance, account.frozen, account.total_recharged, account.total_consumed,
        account.total_expired, account.total_refunded, account.debt, account.hash)
      is distinct from (entry.balance, coalesce(entry.frozen, 0), entry.total_recharged,
        entry.total_consumed, coalesce(entry.total_expired, 0), coalesce(entry.total_refunded, 0),
        coalesce(entry.debt, 0),
        entry.hash)`,
  "an entry's allocations add up to its points, with what it owed or repaid": `
    select user_id || ' ' || sequence from points.entry
    where points - coalesce(owed, 0) - case kind when 5 then 0 else coalesce(repaid, 0) end <> (
      select coalesce(sum(part.points), 0) from points.unpack_allocations(allocations) as part)`,
  "a hold has one entry that closed it, and an open one has none": `
    select hold.user_id || ' ' || number from points.hold left join points.entry
      on entry.user_id = hold.user_id and entry.refers_to = number
        and kind in (5, 6)
    group by hold.user_id, number, status
    having count(entry.sequence) <> case status when 'open' then 0 else 1 end`,
  "a closed hold is what the entry that closed it says": `
    select hold.user_id || ' ' || number from points.hold join points.entry
      on entry.user_id = hold.user_id and entry.refers_to = number
        and kind in (5, 6)
    where (kind = 5) <> (status = 'settled')
      or (kind = 5 and (settled <> entry.points - coalesce(owed, 0) - coalesce(from_balance, 0) or coalesce(returned, 0) <> hold.points - settled))
      or (kind = 6 and hold.points <> entry.points)`,
  "all refunds of an entry are noted, and never exceed it": `
    select spent.user_id || ' ' || spent.sequence
    from points.entry as spent
    left join points.undone using (user_id, sequence)
    left join points.entry as back
      on back.user_id = spent.user_id and back.refers_to = spent.sequence
        and back.kind = 7
    where spent.kind in (2, 5)
    group by spent.user_id, spent.sequence, spent.points, refunded
    having coalesce(sum(back.points), 0) <> coalesce(refunded, 0)
      or coalesce(refunded, 0) > spent.points`,
};

/** Fails if an account in the database violates an invariant. */
export async function expectEquations({ query }: TestDatabase): Promise<void> {
  for (const [what, sql] of Object.entries(BROKEN)) {
    expect(await query(sql), `that ${what}`).toEqual([]);
  }
}
