import { expect } from "vitest";
import type { TestDatabase } from "./database.ts";

// The invariants of every account as SQL: each query finds violations. Kinds are numbers of EntryKind:
// 2 consume, 4 freeze, 5 settle, 6 release, 7 refund, 8 revoke, 9 extend. They read the table and not the view journal, whose joins
// PostgreSQL may plan as loops over all pairs of entries.
const BROKEN: Readonly<Record<string, string>> = {
  "an account's figures add up": `
    select user_id from points.account
    where balance + frozen + total_consumed + total_expired + total_revoked
      <> total_recharged + total_refunded + debt`,
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
        account.total_expired, account.total_refunded, account.total_revoked, account.debt, account.hash)
      is distinct from (entry.balance, coalesce(entry.frozen, 0), entry.total_recharged,
        entry.total_consumed, coalesce(entry.total_expired, 0), coalesce(entry.total_refunded, 0),
        coalesce(entry.total_revoked, 0), coalesce(entry.debt, 0),
        entry.hash)`,
  "an entry's allocations add up to its points, with what it owed or repaid": `
    select user_id || ' ' || sequence from points.entry
    where points - coalesce(owed, 0) - case kind when 5 then 0 else coalesce(repaid, 0) end <> (
      select coalesce(sum(part.points), 0) from points.unpack_allocations(allocations) as part)`,
  "a hold has one entry that closed it, and an open one has none": `
    select hold.user_id || ' ' || number from points.hold left join points.entry
      on entry.user_id = hold.user_id and entry.refers_to = number
        and kind in (5, 6) and kept_open is null
    group by hold.user_id, number, status
    having count(entry.sequence) <> case status when 'open' then 0 else 1 end`,
  "a closed hold is what the entry that closed it says": `
    select hold.user_id || ' ' || number from points.hold join points.entry
      on entry.user_id = hold.user_id and entry.refers_to = number
        and kind in (5, 6) and kept_open is null
    where (kind = 5) <> (status = 'settled')
      or (kind = 5 and coalesce(returned, 0) <> hold.points - settled)
      or (kind = 6 and hold.points - settled <> entry.points)`,
  "a hold is what the entries about it add up to": `
    select hold.user_id || ' ' || number from points.hold join points.entry
      on entry.user_id = hold.user_id and number in (entry.sequence, entry.refers_to)
        and kind in (4, 5, 9)
    group by hold.user_id, number
    having hold.points <> sum(entry.points) filter (where kind in (4, 9))
      or settled <> coalesce(sum(entry.points - coalesce(owed, 0) - coalesce(from_balance, 0))
        filter (where kind = 5), 0)`,
  "all refunds of an entry are noted, and never exceed it": `
    select spent.user_id || ' ' || spent.sequence
    from points.entry as spent
    left join points.undone using (user_id, sequence)
    left join points.entry as back
      on back.user_id = spent.user_id and back.refers_to = spent.sequence
        and back.kind = 7
    where spent.kind in (2, 5, 8)
    group by spent.user_id, spent.sequence, spent.points, spent.kind, spent.uncovered,
      spent.refers_to, spent.from_claim, refunded
    having coalesce(sum(back.points + coalesce(back.uncovered, 0)), 0) <> coalesce(refunded, 0)
      or coalesce(refunded, 0) > case when spent.from_claim then 0 else spent.points
        + case when spent.kind = 8 and spent.refers_to is not null
          then coalesce(spent.uncovered, 0) else 0 end end`,
  "what is revoked and claimed of a lot is noted": `
    select user_id || ' ' || coalesce(lots.lot, undone.sequence) from (
      select user_id, lot, sum(revoked) as revoked, sum(claimed) as claimed from (
        select user_id, refers_to as lot, points + coalesce(uncovered, 0) as revoked,
          coalesce(uncovered, 0) as claimed
        from points.entry where kind = 8 and refers_to is not null and from_claim is null
        union all
        select user_id, refers_to, 0, -points from points.entry where from_claim
        union all
        select back.user_id, spent.refers_to, 0, -back.uncovered
        from points.entry as back join points.entry as spent
          on spent.user_id = back.user_id and spent.sequence = back.refers_to
        where back.kind = 7 and back.uncovered is not null
      ) as change group by user_id, lot
    ) as lots full join (select * from points.undone where revoked > 0) as undone
      using (user_id)
    where lots.lot = undone.sequence
      and (lots.revoked, lots.claimed) is distinct from (undone.revoked, undone.claimed)`,
  "an account counts the lots with an open claim, and none has points": `
    select user_id from points.account left join (
      select undone.user_id, count(*) as claims, sum(coalesce(remaining, 0)) as remaining
      from points.undone left join points.open_lot
        on open_lot.user_id = undone.user_id and number = sequence
      where claimed > 0 group by undone.user_id
    ) as claims using (user_id)
    where open_claims <> coalesce(claims, 0) or remaining > 0`,
};

/** Fails if an account in the database violates an invariant. */
export async function expectEquations({ query }: TestDatabase): Promise<void> {
  for (const [what, sql] of Object.entries(BROKEN)) {
    expect(await query(sql), `that ${what}`).toEqual([]);
  }
}
