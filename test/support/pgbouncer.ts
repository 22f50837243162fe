import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chown, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { type Cluster, freePort } from "./cluster.ts";
import { until } from "./processes.ts";
import { makeFolder } from "./run-folder.ts";

/** PGBOUNCER overrides the system's program. */
const PROGRAM = process.env["PGBOUNCER"] ?? "/usr/sbin/pgbouncer";
export const hasPgBouncer = spawnSync(PROGRAM, ["--version"]).status === 0;

/** A PgBouncer (connection pooler) in front of all databases of a cluster. */
export type PgBouncer = { readonly port: number; stop(): Promise<void> };

/** Starts a PgBouncer with these settings in addition to the necessary ones. */
export async function startPgBouncer(
  cluster: Cluster,
  settings: Readonly<Record<string, string>>,
): Promise<PgBouncer> {
  const folder = await makeFolder("pgbouncer");
  // It refuses to run as root, and only its owner may enter the socket's folder.
  const { uid, gid } = await stat(cluster.socketFolder);
  const port = await freePort();
  const all = {
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: "",
    auth_type: "trust",
    auth_file: join(folder, "users"),
    ...settings,
  };
  const file = join(folder, "pgbouncer.ini");
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
  const databases = `* = host=${cluster.socketFolder} port=${cluster.port}`;
  await writeFile(file, `[databases]\n${databases}\n[pgbouncer]\n${lines.join("\n")}\n`);
  await writeFile(join(folder, "users"), `"points" ""\n`);
  for (const path of [folder, file, join(folder, "users")]) await chown(path, uid, gid);
  const isRoot = process.getuid?.() === 0;
  const child = spawn(PROGRAM, [file], { stdio: "ignore", ...(isRoot ? { uid, gid } : {}) });
  const ended = once(child, "exit");
  await until("PgBouncer listens", () => isListening(port));
  return {
    port,
    async stop() {
      child.kill("SIGKILL");
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => done(true)).once("error", () => done(false));
    socket.once("connect", () => socket.destroy());
  });
}
