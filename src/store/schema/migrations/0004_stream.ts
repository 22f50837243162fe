import { Migration } from "@mikro-orm/migrations";

const STATEMENTS = [
  // The ledger's name: one row. A copy of the database has it too.
  `create table ledger (
    id smallint primary key check (id = 1),
    ledger_id uuid not null
  )`,

  `insert into ledger values (1, gen_random_uuid())`,

  // Up to where in the WAL an epoch has what the epochs before it wrote; null: nobody knows. Cursors
  // tell by it what their readers were sent and the ledger has lost (src/feed/lives.ts).
  `alter table epoch add column fork_lsn pg_lsn`,
];

/** The ledger's name, and where its epochs begin in the WAL. */
export class Migration0004Stream extends Migration {
  override up(): void {
    for (const statement of STATEMENTS) this.addSql(statement);
  }
}
