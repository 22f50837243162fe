import { Migration } from "@mikro-orm/migrations";

// New checks are not compared with the rows that there are, which all satisfy them: a large ledger
// would be locked for as long as that takes.
const STATEMENTS = [
  // The digest of the first name of an account that was erased.
  `alter table account
    add column name_digest bytea,
    add constraint account_name_digest check (octet_length(name_digest) = 32) not valid`,

  // ERASE is 11. Of an entry that was erased the digest of what was personal is kept, and the
  // fingerprint of its request; the member has another name. Each charge pays for each check: few, and
  // with little to look at where nothing is erased.
  `alter table entry
    add column personal_digest bytea,
    add column erased_hash bytea,
    drop constraint entry_kind,
    drop constraint entry_check,
    add constraint entry_kind check (kind between 1 and 11) not valid,
    add constraint entry_erased_hash check ((erased_hash is not null) = (kind = 11)
      and coalesce(octet_length(erased_hash), 32) = 32) not valid,
    add constraint entry_erased check (
      (personal_digest is null and (request_id is null) = (fingerprint is null))
      or (personal_digest is not null and octet_length(personal_digest) = 32
        and num_nonnulls(request_id, metadata, actor) = 0)) not valid`,

  // An erasure writes old entries anew, at the end of the table. Summaries of each MB that had them
  // would cover all feed numbers from theirs on, and each read of the stream would look through all
  // of these MB. So erased entries are in an index of their own.
  `drop index entry_feed`,
  `create index entry_feed on entry using brin (epoch, feed) with (autosummarize = on)
    where personal_digest is null`,
  `create index entry_erased_feed on entry (epoch, feed) where personal_digest is not null`,

  // Autovacuum summarizes the newest MBs a minute later. Until then each look for the newest entries
  // would read all of them, so that servers ask for it while somebody reads the stream: only the owner
  // of the table may do it. The caller's search_path says in which schema the index is; of an index
  // that is not the owner's, PostgreSQL refuses it.
  `create function summarize_feed() returns integer language sql security definer
    as $$ select pg_catalog.brin_summarize_new_values('entry_feed'::pg_catalog.regclass) $$`,
  `revoke execute on function summarize_feed() from public`,

  `alter table receipt
    add column personal_digest bytea,
    drop constraint receipt_check,
    drop constraint receipt_check1,
    add constraint receipt_personal_digest_size check (octet_length(personal_digest) = 32) not valid,
    add constraint receipt_fingerprint check (personal_digest is not null
      or (request_id is null) = (fingerprint is null)) not valid,
    add constraint receipt_erased check (personal_digest is null or request_id is null) not valid,
    add constraint receipt_of_request check (fingerprint is not null
      or (number = 1 and sequence = 0)) not valid`,

  `create or replace view journal with (security_invoker = true) as
    select entry.user_id, entry.sequence, kind.name as kind, entry.points, (
        select jsonb_agg(jsonb_build_object('lot', part.lot, 'points', part.points))
        from unpack_allocations(entry.allocations) as part
      ) as allocations,
      coalesce(entry.returned, 0) as returned, entry.refers_to, entry.create_time,
      entry.expire_time, coalesce(entry.priority, 0::smallint) as priority, entry.category,
      entry.services, entry.service, entry.quantity, entry.duration_nanos, entry.price_version,
      entry.pricing, entry.request_id, entry.metadata, entry.caller, entry.actor, entry.balance,
      coalesce(entry.frozen, 0) as frozen,
      entry.total_recharged, entry.total_consumed, coalesce(entry.total_expired, 0) as total_expired,
      coalesce(entry.total_refunded, 0) as total_refunded, entry.hash,
      entry.epoch, entry.feed, coalesce(entry.total_revoked, 0) as total_revoked,
      coalesce(entry.debt, 0) as debt, coalesce(entry.owed, 0) as owed,
      coalesce(entry.uncovered, 0) as uncovered, coalesce(entry.repaid, 0) as repaid,
      coalesce(entry.from_balance, 0) as from_balance, coalesce(entry.kept_open, false) as kept_open,
      coalesce(entry.from_claim, false) as from_claim, entry.member, entry.cause, entry.alerts,
      entry.policy, entry.erased_hash
    from entry
    left join (values (1, 'recharge'), (2, 'consume'), (3, 'expire'), (4, 'freeze'), (5, 'settle'),
      (6, 'release'), (7, 'refund'), (8, 'revoke'), (9, 'extend'), (10, 'set_policy'), (11, 'erase'))
      as kind (number, name) on kind.number = entry.kind`,
];

/** Accounts that were erased: what is kept of what was personal. */
export class Migration0005Erasure extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}
