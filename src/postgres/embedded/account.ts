import { spawnSync } from "node:child_process";
import { chown, stat } from "node:fs/promises";
import { UserError } from "../../errors/user-error.ts";

/**
 * The operating system's user that PostgreSQL runs as. Empty: this process's user. PostgreSQL refuses
 * root: then it is an unprivileged user.
 */
export type Account = { readonly uid?: number; readonly gid?: number };

/**
 * The account for a cluster: the owner of its data, else the first that exists of postgres and nobody.
 *
 * @throws {UserError} if this machine has neither
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

/** Makes an account the owner of a path. */
export async function give(path: string, { uid, gid }: Account): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}
