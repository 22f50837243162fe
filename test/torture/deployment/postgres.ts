import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { type EmbeddedPostgres, startEmbedded } from "../../../src/postgres/embedded/start.ts";
import { isAlive, postgresOf, processesIn, until } from "../../support/processes.ts";
import type { Disk } from "./disk.ts";

/** A PostgreSQL of the run's own, which can be made to end and comes back. */
export type Postgres = {
  /** The path of its socket; undefined while it is away. */
  socketPath(): string | undefined;
  /** For a client that is not in the way of a proxy. */
  url(): string;
  /** Sends a signal to it, waits for its end and starts it again; when, in ms of performance.now.
   * Where a disk is given, its power is cut before, and comes back after. */
  endAndStart(name: NodeJS.Signals, disk?: Disk): Promise<{ killed: number; started: number }>;
  /** Ends it without warning, for good: nothing of it runs any more. */
  kill(): Promise<void>;
  stop(): Promise<void>;
};

/** Starts one in a folder, on which everything that is answered is durable. */
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
