import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Replicated } from "../../support/standby.ts";
import type { DatabaseClock } from "../deployment/database-clock.ts";
import type { Disk } from "../deployment/disk.ts";
import type { Guest } from "../deployment/guest.ts";
import type { Cut } from "../deployment/link.ts";
import type { Postgres } from "../deployment/postgres.ts";
import type { Proxy } from "../deployment/proxy.ts";
import type { Restart, Server } from "../deployment/servers.ts";
import type { Doubts } from "../load/doubts.ts";
import { BOUNDARY_MICROS } from "../load/operations.ts";
import { fallDue, type FallDueWorld, type FallenDue } from "./fall-due.ts";
import { leaveAndReturn, promoteStandby } from "./standby-faults.ts";

/** The parts of the deployment and the load that faults act on. */
export type Breakables = Omit<FallDueWorld, "isQuietSince"> & {
  readonly postgres: Postgres;
  /** The same PostgreSQL if it has a standby. */
  readonly replicated: Replicated | undefined;
  /** Records when a promotion may take shown state back. */
  readonly doubts: Doubts;
  /** The disk with PostgreSQL's data, if its power can be cut. */
  readonly disk: Disk | undefined;
  /** Each server with the proxy between it and PostgreSQL. */
  readonly servers: readonly { readonly server: Server; readonly proxy: Proxy }[];
  readonly databaseClock: DatabaseClock;
  readonly guest: Guest;
  /** Called with each violation that a fault sees at once. */
  readonly onWrong: (what: string) => void;
  /** Resolves at the next answer of the ledger, from one server or from any. */
  readonly nextAnswer: (server?: number) => Promise<void>;
  readonly log: (what: string) => void;
};

/** Recovery times: the longest time in ms from a fault to the next answer. */
export type Recoveries = {
  /** From a server's `kill -9`, and from the moment at which its successor listens. */
  serverKilled: number;
  serverListened: number;
  /** From PostgreSQL's `kill -9`. */
  postgresKilled: number;
};

export type Faults = {
  /** How often each kind of fault happened. */
  readonly counts: ReadonlyMap<string, number>;
  readonly recoveries: Recoveries;
  readonly fallen: FallenDue;
  /** Whether nothing is broken, nor was since a moment, nor shortly before it. */
  readonly isQuietSince: (moment: number) => boolean;
  /** Injects no more faults, and resolves when everything is repaired. */
  finish(): Promise<void>;
};

type Kind =
  | Cut
  | "terminate backends"
  | "delay"
  | "half-close to the server"
  | "half-close to PostgreSQL"
  | "black hole"
  | "stop and continue a server"
  | "kill -9 a server"
  | "terminate a server"
  | "kill -9 PostgreSQL"
  | "immediate shutdown of PostgreSQL"
  | "restart PostgreSQL"
  | "clock stands still at an expiry"
  | "clock goes ahead"
  | "clock goes back"
  | "thousands fall due at once"
  | "a caller is withdrawn"
  | "standby goes and comes back"
  | "standby is promoted"
  | "power cut";

/** The relative frequency of each kind of fault. */
export type Weights = Readonly<Partial<Record<Kind, number>>>;

/**
 * All faults except power cuts, which need a disk; two need a standby. Faults that take everything
 * down for seconds are rare.
 */
export const ALL_FAULTS: Weights = {
  "before COMMIT": 4,
  "in COMMIT": 4,
  "after COMMIT": 4,
  "after COMMIT's answer": 4,
  "terminate backends": 4,
  delay: 3,
  "half-close to the server": 3,
  "half-close to PostgreSQL": 3,
  "black hole": 2,
  "stop and continue a server": 3,
  "kill -9 a server": 3,
  "terminate a server": 1,
  "kill -9 PostgreSQL": 1,
  "immediate shutdown of PostgreSQL": 1,
  "restart PostgreSQL": 1,
  "clock stands still at an expiry": 8,
  "clock goes ahead": 2,
  "clock goes back": 2,
  "thousands fall due at once": 3,
  "a caller is withdrawn": 3,
  "standby goes and comes back": 2,
  "standby is promoted": 1,
};

const CUT_PATIENCE_MS = 3_000;
/** How long the consequences of a fault may last. */
const AFTERMATH_MS = 1_000;

/**
 * Fault injection: breaks random things, one after the other in each of several parallel rows.
 *
 * @param weights the kinds of faults to inject, at least one
 * @param pauseMs the longest pause between two faults of a row
 */
export function startFaults(
  world: Breakables,
  weights: Weights,
  rows: number,
  pauseMs: number,
): Faults {
  const { random } = world;
  const counts = new Map<string, number>();
  const recoveries: Recoveries = { serverKilled: 0, serverListened: 0, postgresKilled: 0 };
  const fallen = { most: 0, during: { moments: 0, ms: 0 }, before: { moments: 0, ms: 0 } };
  // Only one row at a time breaks a thing.
  const busy = new Set<unknown>();
  let lastBroken = -Infinity;
  const isQuietSince = (moment: number) =>
    [...busy].every((thing) => thing === fallen) && lastBroken + AFTERMATH_MS < moment;
  let stopping = false;

  async function alone(thing: unknown, work: () => Promise<unknown>): Promise<boolean> {
    if (busy.has(thing)) return false;
    busy.add(thing);
    try {
      await work();
    } finally {
      busy.delete(thing);
      if (thing !== fallen) lastBroken = performance.now();
    }
    return true;
  }

  async function row(): Promise<void> {
    while (!stopping) {
      await sleep(random.whole(pauseMs >> 2, pauseMs));
      const kind = random.weighted(weights);
      const server = random.whole(0, world.servers.length - 1);
      const [thing, work] =
        kind === "thousands fall due at once"
          ? [fallen, () => fallDue({ ...world, isQuietSince }, fallen)]
          : faultOf(kind, server, world, recoveries);
      const start = performance.now();
      if (stopping || !(await alone(thing, work))) continue;
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
      world.log(`${kind} (server ${server}), ${(performance.now() - start).toFixed(0)} ms`);
    }
  }

  const ended = Promise.all(Array.from({ length: rows }, row));
  // If something does not come back, `finish` throws the error.
  ended.catch(() => {});
  return {
    counts,
    recoveries,
    fallen,
    isQuietSince,
    async finish() {
      stopping = true;
      await ended;
    },
  };
}

/** The thing that a fault breaks, and the function that breaks and repairs it. */
function faultOf(
  kind: Exclude<Kind, "thousands fall due at once">,
  number: number,
  world: Breakables,
  recoveries: Recoveries,
): [thing: unknown, work: () => Promise<unknown>] {
  const { random, postgres } = world;
  const { server, proxy } = world.servers[number]!;
  switch (kind) {
    case "before COMMIT":
    case "in COMMIT":
    case "after COMMIT":
    case "after COMMIT's answer":
      return [proxy, () => Promise.race([proxy.cutNext(kind), sleep(CUT_PATIENCE_MS)])];
    case "terminate backends":
      return [postgres, () => terminateBackends(postgres.url())];
    case "delay":
      return [proxy, () => delay(proxy, random.whole(20, 300), random.whole(300, 2_000))];
    case "half-close to the server":
      return [proxy, () => Promise.resolve(proxy.halfClose("server"))];
    case "half-close to PostgreSQL":
      return [proxy, () => Promise.resolve(proxy.halfClose("PostgreSQL"))];
    case "black hole":
      return [proxy, () => proxy.blackHole(random.whole(200, 3_000))];
    case "stop and continue a server":
      return [server, () => stopAndContinue(server, random.whole(100, 2_500))];
    case "kill -9 a server":
      return [server, () => notingServer(server.kill(), number, world, recoveries)];
    case "terminate a server":
      return [server, () => server.restart()];
    case "kill -9 PostgreSQL":
      return [postgres, () => killPostgres(world, recoveries)];
    case "immediate shutdown of PostgreSQL":
      return [postgres, () => postgres.endAndStart("SIGQUIT")];
    case "restart PostgreSQL":
      return [postgres, () => postgres.endAndStart("SIGINT")];
    case "standby goes and comes back":
      return [postgres, () => leaveAndReturn(world.replicated!, random)];
    case "standby is promoted":
      return [postgres, () => promoteStandby(world.replicated!, random, world.doubts)];
    case "power cut":
      return [postgres, () => postgres.endAndStart("SIGKILL", world.disk)];
    case "clock stands still at an expiry":
      return [world.clock, () => standStill(world, random.whole(20, 150))];
    case "clock goes ahead":
      return [world.clock, () => moveClock(world, BigInt(random.whole(1, 1_500_000)))];
    case "a caller is withdrawn":
      return [world.guest, () => world.guest.comeAndGo(random, world.onWrong)];
    case "clock goes back":
      return [world.clock, () => moveClock(world, BigInt(-random.whole(1, 400_000)))];
  }
}

async function delay(proxy: Proxy, delayMs: number, forMs: number): Promise<void> {
  proxy.delay(delayMs);
  await sleep(forMs);
  proxy.delay(0);
}

async function stopAndContinue(server: Server, forMs: number): Promise<void> {
  server.signal("SIGSTOP");
  await sleep(forMs);
  server.signal("SIGCONT");
}

async function notingServer(
  restarting: Promise<Restart>,
  number: number,
  { nextAnswer }: Breakables,
  recoveries: Recoveries,
): Promise<void> {
  const { killed, listened } = await restarting;
  await nextAnswer(number);
  const answered = performance.now();
  recoveries.serverKilled = Math.max(recoveries.serverKilled, answered - killed);
  recoveries.serverListened = Math.max(recoveries.serverListened, answered - listened);
}

async function killPostgres({ postgres, nextAnswer }: Breakables, recoveries: Recoveries) {
  const { killed } = await postgres.endAndStart("SIGKILL");
  await nextAnswer();
  recoveries.postgresKilled = Math.max(recoveries.postgresKilled, performance.now() - killed);
}

/** Terminates 70% of the sessions, some of them idle, some in a transaction. */
async function terminateBackends(connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 2_000 });
  client.on("error", () => {});
  try {
    await client.connect();
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()
         and backend_type = 'client backend' and random() < 0.7`,
    );
  } finally {
    await client.end().catch(() => {});
  }
}

/** Stops the clock at an expiry, so that commands meet it to the microsecond. */
async function standStill({ clock, databaseClock }: Breakables, forMs: number): Promise<void> {
  const boundary = (clock.now() / BOUNDARY_MICROS + 1n) * BOUNDARY_MICROS;
  await databaseClock.stopAt(boundary);
  await sleep(forMs);
  await databaseClock.goOnFrom(boundary);
}

async function moveClock({ clock, databaseClock }: Breakables, by: bigint): Promise<void> {
  await databaseClock.goOnFrom(clock.now() + by);
}
