import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";
import { openOrm, type Orm } from "../../src/store/driver/orm.ts";
import { withDatabase } from "./postgres.ts";

/** A test's own database, with the schema but without rows. */
export type TestDatabase = {
  readonly url: string;
  readonly orm: Orm;
  /** A standby for reads, as READS_URL names one. */
  readonly standby?: Orm;
  /** Runs SQL; gives the rows as `pg` does. */
  query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
};

/** Makes a database; `empty` leaves the schema out. */
export async function testDatabase(options: { empty?: boolean } = {}): Promise<TestDatabase> {
  const postgres = inject("postgres");
  const name = `points_test_${randomBytes(6).toString("hex")}`;
  const admin = new pg.Client({ connectionString: postgres.url });
  await admin.connect();
  const template = options.empty === true ? "" : `template ${postgres.template}`;
  await admin.query(`create database ${name} ${template}`);
  const url = withDatabase(postgres.url, name);
  const orm = await openOrm(url, 8);
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  return {
    url,
    orm,
    query: async (sql, values) => (await client.query(sql, values)).rows,
    async close() {
      await orm.close();
      await client.end();
      await admin.query(`drop database ${name} with (force)`);
      await admin.end();
    },
  };
}
