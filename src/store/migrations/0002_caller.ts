import { Migration } from "@mikro-orm/migrations";

/** Who asked for an entry; null in those from before it was kept, and where nobody is known. */
export class Migration0002Caller extends Migration {
  override up(): void {
    this.addSql(`alter table points.entry add column caller text collate "C"`);
    // Not valid: what is there has none, and need not be read to see that.
    this.addSql(`alter table points.entry
      add constraint entry_caller_check check (length(caller) between 1 and 128) not valid`);
  }
}
