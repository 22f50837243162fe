import { Migration } from "@mikro-orm/migrations";

// The user ids compare by their bytes, as those of accounts do.
const ID = `text collate "C" not null`;

const STATEMENTS = [
  // How far the tables below are behind the journal: they have the entries before this place of the
  // stream, and no others. One row. search_keys are the keys of metadata that search_term has; null:
  // nobody has begun. All that was committed before caught_up_to is in them; null: they are being built.
  // No step is due before step_time.
  `create table projection (
    id smallint primary key check (id = 1),
    epoch integer not null,
    feed bigint not null,
    search_keys text[],
    caught_up_to timestamptz,
    step_time timestamptz
  )`,

  `insert into projection values (1, 0, 0)`,

  // Where entries are that have a request id, an actor or a pair of metadata. Terms are hashes: what is
  // found is compared with the entry. With the day in front all that is written at a time is in the
  // same part of the index.
  `create table search_term (
    day integer not null,
    term bigint not null,
    create_time timestamptz not null,
    user_id ${ID},
    sequence bigint not null,
    primary key (day, term, create_time, user_id, sequence)
  )`,

  // No text that it is made of has a control character.
  `create function term_of(field text, key text, value text) returns bigint
    language sql immutable parallel safe
    as $$ select hashtextextended(field || e'\\x1f' || key || e'\\x1f' || value, 0) $$`,

  // Sums over the entries of a quarter of an hour, of each user and, with user_id '', of all. A bucket
  // is the number of quarters since 1970. A text that an entry lacks is ''.
  `create table entry_sum (
    user_id ${ID},
    bucket integer not null,
    kind smallint not null,
    service ${ID},
    caller ${ID},
    category ${ID},
    member ${ID},
    entries bigint not null,
    points numeric not null,
    owed numeric not null,
    uncovered numeric not null,
    repaid numeric not null,
    primary key (user_id, bucket, kind, service, caller, category, member)
  ) with (fillfactor = 70)`,

  // The marker of both tables: where it is missing, they are not what `projection` says.
  `insert into entry_sum values ('', -1, 0, '', '', '', '', 0, 0, 0, 0, 0)`,

  // What the last scan over all accounts has found; nulls: there was none yet. One row. A server scans
  // until leased_until, which it moves on as it goes on.
  `create table overview (
    id smallint primary key check (id = 1),
    leased_until timestamptz,
    as_of timestamptz,
    end_time timestamptz,
    sums jsonb,
    largest jsonb,
    check (num_nulls(as_of, end_time, sums, largest) in (0, 4))
  )`,

  `insert into overview values (1)`,
];

/** What is built from the journal and the accounts, can be dropped, and built again. */
export class Migration0006Projection extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}
