import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { type EmbeddedPostgres, startEmbedded } from "../../../src/postgres/embedded/start.ts";
import { isAlive, postgresOf, processesIn, until } from "../../support/processes.ts";
import type { Disk } from "./disk.ts";

/** The run's own PostgreSQL, which faults can kill and restart. */
export type Postgres = {
  /** The path of its Unix socket; undefined while it is down. */
  socketPath(): string | undefined;
  /** The address for clients that bypass the proxy. */
  url(): string;
  /**
   * Sends it a signal, waits for its end and restarts it. If a disk is given, its power is cut
   * before the signal and comes back after the end. Times are milliseconds of `performance.now()`.
   */
  endAndStart(name: NodeJS.Signals, disk?: Disk): Promise<{ killed: number; started: number }>;
  /** Kills it for good, and waits until none of its processes is left. */
  kill(): Promise<void>;
  stop(): Promise<void>;
};

/** Starts a PostgreSQL in a folder; commits are durable unless `settings` say otherwise. */
export async function startPostgres(
  folder: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<Postgres> {
  let running: EmbeddedPostgres = await startEmbedded(folder, settings);
  let path = await pathOf();

  async function pathOf(): Promise<string | undefined> {
    const found = await postgresOf(folder);
    return found && join(found.socketFolder, `.s.PGSQL.${found.port}`);
  }

  return {
    socketPath: () => path,
    url: () => running.url,
    async endAndStart(name, disk) {
      const { pid } = (await postgresOf(folder))!;
      const killed = performance.now();
      await disk?.cut();
      process.kill(pid, name);
      path = undefined;
      await until("PostgreSQL has ended", async () => !(await isAlive(pid)));
      await disk?.comeBack();
      running = await startEmbedded(folder, settings);
      path = await pathOf();
      return { killed, started: performance.now() };
    },
    async kill() {
      const { pid } = (await postgresOf(folder))!;
      path = undefined;
      process.kill(pid, "SIGKILL");
      const cluster = join(await realpath(folder), "postgres");
      await until("PostgreSQL has ended", async () => (await processesIn(cluster)).length === 0);
      await running.stop();
    },
    stop: () => running.stop(),
  };
}
