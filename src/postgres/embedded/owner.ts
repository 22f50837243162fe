import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { UserError } from "../../errors/user-error.ts";
import type { Address } from "./cluster.ts";

const OWNER_LOCK = 0x6f_77_6e_65_72n; // "owner"
const OWNER_LOCK_TRIES = 20;
const OWNER_LOCK_PAUSE_MS = 100;

/**
 * Makes this process the owner of a cluster, by an advisory lock that it holds as long as it lives.
 * However the process ends, its connection ends too, and with it the lock.
 *
 * @param folder the data folder, for the error
 * @returns the connection that holds the lock
 * @throws {UserError} if another process holds the lock
 */
export async function becomeOwner(at: Address, folder: string): Promise<pg.Client> {
  const client = new pg.Client({ ...at, database: "postgres" });
  // Without a listener, a lost connection would end this process. Running queries throw the error.
  client.on("error", () => {});
  try {
    await client.connect();
    for (let attempt = 1; attempt <= OWNER_LOCK_TRIES; attempt += 1) {
      const { rows } = await client.query(`select pg_try_advisory_lock(${OWNER_LOCK}) as mine`);
      if (rows[0].mine) return client;
      await sleep(OWNER_LOCK_PAUSE_MS); // The previous owner may be stopping.
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
