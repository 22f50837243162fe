import pg from "pg";
import { onTestFinished } from "vitest";
import type { TestDatabase } from "./database.ts";
import { lockAwaited } from "./held-lock.ts";

/**
 * Reads while another transaction empties the tables that are built, and says that they are built anew.
 *
 * @returns what was read, which waited for that transaction
 */
export async function readWhileEmptied<T>(
  database: TestDatabase,
  read: () => Promise<T>,
): Promise<T> {
  const builder = new pg.Client({ connectionString: database.url });
  await builder.connect();
  onTestFinished(() => builder.end());
  await builder.query(`begin; truncate points.search_term, points.entry_sum`);
  const reading = read();
  await lockAwaited(database);
  await builder.query("update points.projection set caught_up_to = null; commit");
  return reading;
}
