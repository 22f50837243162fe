import { chmod, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFolder } from "../../support/run-folder.ts";
import { type Replicated, startReplicated } from "../../support/standby.ts";
import type { Clock } from "./clock.ts";
import { type DatabaseClock, takeClock } from "./database-clock.ts";
import type { Disk } from "./disk.ts";
import { callersFileAt, type Guest, newGuest } from "./guest.ts";
import { type Postgres, startPostgres } from "./postgres.ts";
import { type Proxy, startProxy } from "./proxy.ts";
import { type Server, startServer } from "./servers.ts";
import { type Target, targetAt } from "./targets.ts";

/** Two servers on one PostgreSQL, each through a proxy, and a clock that can be set. */
export type Deployment = {
  readonly postgres: Postgres;
  /** The same PostgreSQL if it has a standby. */
  readonly replicated: Replicated | undefined;
  readonly servers: readonly { readonly server: Server; readonly proxy: Proxy }[];
  readonly databaseClock: DatabaseClock;
  /** The servers' standard error. */
  readonly logFiles: readonly string[];
  readonly targets: readonly Target[];
  /** The name by which the servers know the callers of the targets. */
  readonly caller: string;
  readonly guest: Guest;
  /** Stops everything, and removes data and logs unless `isKept`. */
  stop(isKept: boolean): Promise<void>;
};

const SERVERS = 2;
const CALLER = "torturer";
const PRICE_FILE = join(import.meta.dirname, "prices.yaml");

/** How PostgreSQL stores its data. */
export type Storage = {
  /** Undefined: an ordinary folder. */
  readonly disk: Disk | undefined;
  /** PostgreSQL settings that differ from the usual ones. */
  readonly settings: Readonly<Record<string, string>>;
  /** Whether it has a synchronous standby. */
  readonly hasStandby: boolean;
};

/** Starts a deployment in a folder of its own. */
export async function startDeployment(
  clock: Clock,
  { disk, settings, hasStandby }: Storage,
): Promise<Deployment> {
  const folder = await makeFolder("torture");
  // PostgreSQL may run as another user.
  await chmod(folder, 0o755);
  const data = join(disk?.folder ?? folder, "data");
  const replicated = hasStandby ? await startReplicated(data, settings) : undefined;
  const postgres = replicated ?? (await startPostgres(data, settings));
  const databaseClock = await takeClock(postgres.url, clock);
  const callers = callersFileAt(join(folder, "callers.yaml"));
  const token = callers.newToken();
  await callers.put(CALLER, token);
  const targets = Array.from({ length: SERVERS }, () => targetAt(undefined, () => token));
  const servers: Deployment["servers"][number][] = [];
  const hangUp = () => servers.forEach(({ server }) => server.signal("SIGHUP"));
  const guest = await newGuest(callers, SERVERS, hangUp);
  const logFiles = targets.map((_, number) => join(folder, `server-${number}.log`));
  for (const [number, target] of targets.entries()) {
    const proxy = await startProxy(() => {
      const path = postgres.socketPath();
      return path === undefined ? undefined : { path };
    });
    const environment = {
      LISTEN: "127.0.0.1:0",
      DATABASE_URL: `postgresql://points@127.0.0.1:${proxy.port}/points?sslmode=disable`,
      CALLERS: callers.path,
      PRICES: PRICE_FILE,
      SWEEP_SECONDS: "1",
      LOG_LEVEL: "warn",
    };
    const server = await startServer(
      environment,
      [target, guest.targets[number]!],
      logFiles[number]!,
    );
    servers.push({ server, proxy });
  }
  return {
    postgres,
    replicated,
    servers,
    databaseClock,
    logFiles,
    targets,
    caller: CALLER,
    guest,
    async stop(isKept) {
      for (const { server } of servers) await server.stop();
      for (const { proxy } of servers) await proxy.close();
      await postgres.stop();
      if (!isKept) return rm(folder, { recursive: true });
      // The run's folder is removed at the end of the run, with this folder in it.
      const kept = await mkdtemp(join(tmpdir(), "points-torture-"));
      await rename(folder, kept);
      console.log(`The data and the servers' logs are in ${kept}`);
    },
  };
}
