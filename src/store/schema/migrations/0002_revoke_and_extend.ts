import { Migration } from "@mikro-orm/migrations";

// New checks are not compared with the rows that there are: they admit more than the checks before
// them, and a large ledger would be locked for as long as that takes.
const STATEMENTS = [
  // REVOKE is 8, EXTEND 9. A revocation is about a lot or about none. An EXTEND entry keeps what its
  // hold was after it, for repeats: to find it again would cost more with each part that was settled.
  `alter table entry
    add column kept_open boolean,
    add column hold_settled bigint,
    add column hold_service text,
    add column hold_allocations bytea,
    add column from_claim boolean,
    drop constraint entry_kind_check,
    drop constraint entry_check1,
    add constraint entry_kind check (kind between 1 and 9) not valid,
    add constraint entry_refers_to check (kind = 8 or (refers_to is not null) = (kind in (5, 6, 7, 9)))
      not valid,
    add constraint entry_kept_open check (kept_open is null or (kept_open and kind = 5))
      not valid,
    add constraint entry_hold_after check (kind = 9
      or (hold_settled is null and hold_service is null and hold_allocations is null)) not valid,
    add constraint entry_hold_settled check (hold_settled > 0) not valid,
    add constraint entry_from_claim check (from_claim is null
      or (from_claim and kind = 8 and refers_to is not null)) not valid`,

  // A hold that is settled in parts has spent some while it is open, and may end in any way. A server
  // of the version before does not know of parts, and leaves in_parts as it is: it cannot close such a
  // hold.
  `alter table hold
    add column in_parts boolean not null default false,
    drop constraint hold_check1,
    add constraint hold_in_parts check (status = 'open' or not in_parts) not valid`,

  // How many lots have an open claim: an account without any looks up none. A server of the version
  // before, which would give back to a lot what is claimed of it, leaves claims_sequence as it is: it
  // cannot write to an account with open claims.
  `alter table account
    add column open_claims integer not null default 0 check (open_claims >= 0),
    add column claims_sequence bigint,
    add constraint account_claims_sequence
      check (open_claims = 0 or claims_sequence is not distinct from sequence) not valid`,

  // The lots with an open claim.
  `create index undone_claimed on undone (user_id, sequence) where claimed > 0`,

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
      coalesce(entry.from_claim, false) as from_claim
    from entry
    left join (values (1, 'recharge'), (2, 'consume'), (3, 'expire'), (4, 'freeze'), (5, 'settle'),
      (6, 'release'), (7, 'refund'), (8, 'revoke'), (9, 'extend')) as kind (number, name)
      on kind.number = entry.kind`,
];

/** Entries that revoke and that extend a hold, holds that are settled in parts, and claims on lots. */
export class Migration0002RevokeAndExtend extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}
