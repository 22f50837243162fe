import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { UserError } from "../../errors/user-error.ts";
import type { Address } from "./cluster.ts";

const OWNER_LOCK = 0x6f_77_6e_65_72n; // "owner"
const OWNER_LOCK_TRIES = 20;
const OWNER_LOCK_PAUSE_MS = 100;

/**
 * Holds a lock in the database for as long as this process lives. However the process ends, its
 * connection ends with it, and so does the lock.
 *
 * @throws {UserError} if another process holds it
 */
export async function becomeOwner(at: Address, folder: string): Promise<pg.Client> {
  const client = new pg.Client({ ...at, database: "postgres" });
  // Without a listener its end would be this process's; a query that is under way throws it.
  client.on("error", () => {});
  try {
    await client.connect();
    for (let attempt = 1; attempt <= OWNER_LOCK_TRIES; attempt += 1) {
      const { rows } = await client.query(`select pg_try_advisory_lock(${OWNER_LOCK}) as mine`);
      if (rows[0].mine) return client;
      await sleep(OWNER_LOCK_PAUSE_MS); // The one before may be on its way out.
    }
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
  await client.end();
  throw new UserError(
    `another Points server is using ${folder}. Stop it, or set DATA_DIR to a folder of your own.`,
  );
}
