import { spawnSync } from "node:child_process";
import { chown, stat } from "node:fs/promises";
import { UserError } from "../../errors/user-error.ts";

/** Whom PostgreSQL runs as: ourselves, or, because it refuses root, somebody without rights. */
export type Account = { readonly uid?: number; readonly gid?: number };

/**
 * The one that a cluster's data belong to, or, where there are none, the first that there is.
 *
 * @throws {UserError} if this machine has nobody
 */
export async function serverAccount(cluster: string): Promise<Account> {
  if (process.getuid?.() !== 0) return {};
  const owner = await stat(cluster).catch(() => undefined);
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  for (const name of ["postgres", "nobody"]) {
    const [uid, gid] = ["-u", "-g"].map((flag) => spawnSync("id", [flag, name]).stdout?.toString());
    if (uid && gid) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new UserError(
    "PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody. " +
      "Start Points as another user, or set DATABASE_URL.",
  );
}

/** Makes a path an account's own. */
export async function give(path: string, { uid, gid }: Account): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}
