import { Migration } from "@mikro-orm/migrations";

// New checks are not compared with the rows that there are, which all satisfy them: a large ledger
// would be locked for as long as that takes.
const STATEMENTS = [
  // The policies of accounts: a row without a member has the rule (src/store/batch/policies.ts), and
  // where it stands; one with a member has only what that member has spent of a limit for each.
  `create table policy (
    user_id text collate "C" not null,
    member text collate "C" not null,
    name text collate "C" not null,
    sequence bigint check (sequence > 0),
    counts_from bigint,
    rule text,
    ended boolean,
    period integer check (period >= 0),
    next_time timestamptz check (isfinite(next_time)),
    given bigint[],
    since bigint,
    until timestamptz check (isfinite(until)),
    spent bigint check (spent >= 0),
    primary key (user_id, member, name),
    check ((rule is not null) = (member = '')),
    check (num_nulls(rule, sequence, counts_from, ended) in (0, 4)),
    check (member = '' or num_nulls(since, spent) = 0)
  )`,

  // How many policies an account has: one without any looks up none. A server of a version before, to
  // which they mean nothing, leaves policies_sequence as it is: it cannot write to an account that
  // has some.
  `alter table account
    add column policies integer not null default 0 check (policies >= 0),
    add column policies_sequence bigint,
    add constraint account_policies_sequence
      check (policies = 0 or policies_sequence is not distinct from sequence) not valid`,

  // SET_POLICY is 10.
  `alter table entry
    drop constraint entry_kind,
    add constraint entry_kind check (kind between 1 and 10) not valid,
    add constraint entry_policy check ((policy is not null) = (kind = 10)) not valid,
    add constraint entry_cause check (cause is null or kind = 1) not valid`,

  // What policies an account had at any time.
  `create index entry_set_policy on entry (user_id, sequence) where kind = 10`,

  `alter table hold add column member text`,

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
      entry.policy
    from entry
    left join (values (1, 'recharge'), (2, 'consume'), (3, 'expire'), (4, 'freeze'), (5, 'settle'),
      (6, 'release'), (7, 'refund'), (8, 'revoke'), (9, 'extend'), (10, 'set_policy'))
      as kind (number, name) on kind.number = entry.kind`,
];

/** Policies, what was spent of limits, and who of an account spends. */
export class Migration0003Policies extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}
