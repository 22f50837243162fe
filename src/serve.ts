import type { Logger } from "pino";
import { collectDefaultMetrics } from "prom-client";
import { type Address, addressText } from "./address.ts";
import type { Config } from "./config.ts";
import { type Database, openDatabase } from "./database.ts";
import { EmbeddedFailure } from "./embedded.ts";
import type { PriceList } from "./ledger/prices.ts";
import { createLog } from "./log.ts";
import { readPrices, SHIPPED_PRICES } from "./prices.ts";
import { type Admin, type AdminSources, serveAdmin } from "./server/admin.ts";
import { isFitNow } from "./server/database-watch.ts";
import { checkDoor } from "./server/open-door.ts";
import { startServer } from "./server/server.ts";
import { durabilityGaps } from "./store/durability.ts";
import { migrate, pendingMigrations } from "./store/migrate.ts";
import { openOrm } from "./store/orm.ts";
import { unusable, UsageError } from "./usage.ts";
import { endWorker, isWorker, shareMetrics, startWorkers } from "./workers.ts";

// Nothing that a server asks takes so long: locks are waited for 2 s at the most.
const ANSWER_MAX_MS = 10_000;
const READS_MAX_CONNECTIONS = 5;

/** What serves: this process, or its workers. */
export type Serving = {
  readonly address: Address;
  /** The metrics in Prometheus' text format. */
  readonly scrape: () => Promise<string>;
  /** Answers what is queued, and ends. */
  readonly stop: () => Promise<void>;
};

/** Serves until it is told to stop, or until its database is gone for good. */
export async function serve(config: Config): Promise<void> {
  const log = createLog(config.logLevel);
  const stopRequested = Promise.race(["SIGTERM", "SIGINT"].map(signalled));
  const warnings = checkDoor(config);
  if (!isWorker) for (const warning of warnings) log.warn(warning);
  const prices = pricesInForce(config.prices ?? SHIPPED_PRICES, log);
  const database = await openDatabase(config, ANSWER_MAX_MS);
  try {
    await prepareSchema(config, database).catch(unusable);
    // A worker that is replaced meanwhile starts, and says NOT_SERVING.
    if (config.durability === "require" && !isWorker) await checkDurable(database).catch(unusable);
    const start =
      config.workers > 1
        ? startWorkers(config, database.url, log)
        : startOne(config, database, prices, log);
    const server = await start.catch(unserved);
    let isStopping = false;
    const admin = await startAdmin(config, server, {
      scrape: server.scrape,
      isReady: async () => !isStopping && (await isFitNow(database.orm, config.durability)),
    }).catch(async (cause: unknown) => {
      await server.stop();
      return unserved(cause);
    });
    if (!isWorker) console.log(banner(config, server, admin, database));

    const lost = database.lost.then(() => DATABASE_LOST);
    const reason = await Promise.race([stopRequested, lost]);
    log.info({ reason }, "stopping");
    isStopping = true;
    await server.stop();
    admin?.close();
    if (reason === DATABASE_LOST) throw new EmbeddedFailure(`${DATABASE_LOST}. Start again.`);
  } finally {
    await database.close();
    endWorker();
  }
}

async function startOne(
  config: Config,
  { orm: batches, url, lost }: Database,
  prices: () => PriceList,
  log: Logger,
): Promise<Serving> {
  // It is only loaded where it is wanted.
  const traced = config.otlpEndpoint === undefined ? undefined : import("./server/tracing.ts");
  const tracing = (await traced)?.startTracing(process.env, log);
  const reads = await openOrm(url, READS_MAX_CONNECTIONS, ANSWER_MAX_MS);
  const gone = new AbortController();
  void lost.then(() => gone.abort());
  const databases = { batches, reads, gone: gone.signal };
  const starting = startServer(config, databases, prices, log, undefined, tracing);
  const server = await starting.catch(async (cause: unknown) => {
    await reads.close();
    throw cause;
  });
  const { registry } = server.metrics;
  collectDefaultMetrics({ register: registry });
  if (isWorker) shareMetrics(registry);
  return {
    address: server.address,
    scrape: () => registry.metrics(),
    async stop() {
      await server.stop();
      await reads.close();
      await tracing?.stop();
    },
  };
}

/** Unless told otherwise on loopback, beside the RPCs: two servers with two ports don't collide. */
async function startAdmin(
  { adminListen, listen }: Config,
  { address }: Serving,
  sources: AdminSources,
): Promise<Admin | undefined> {
  if (adminListen === "off") return undefined;
  const port = listen.port === 0 ? 0 : (address.port % 65_535) + 1;
  return serveAdmin(adminListen ?? { host: "127.0.0.1", port }, sources);
}

function unserved(cause: unknown): never {
  throw new UsageError(`cannot serve: ${cause instanceof Error ? cause.message : String(cause)}`);
}

const DATABASE_LOST = "the embedded PostgreSQL has stopped";

/** The price list as it was at start, or at the last SIGHUP at which it had no mistake. */
function pricesInForce(path: string, log: Logger): () => PriceList {
  let list = readPrices(path);
  process.on("SIGHUP", () => {
    try {
      list = readPrices(path);
      log.info({ version: list.version }, "a new price list is in force");
    } catch (err) {
      log.error({ err }, "the new price list is refused, the old one stays in force");
    }
  });
  return () => list;
}

async function prepareSchema(config: Config, { orm, url }: Database): Promise<void> {
  if (config.migrate) {
    // A migration may take its time, and waits for that of another server.
    const patient = await openOrm(url, 2);
    try {
      await migrate(patient, config.serverRole);
    } finally {
      await patient.close();
    }
    return;
  }
  const pending = await pendingMigrations(orm.em.fork());
  if (pending.length > 0) {
    throw new UsageError(
      `the database lacks ${pending.join(", ")}, and MIGRATE=off: run "npm run migrate" first`,
    );
  }
}

/** @throws {UsageError} if answers could be lost */
async function checkDurable({ orm }: Database): Promise<void> {
  const gaps = await durabilityGaps(orm.em.fork());
  if (gaps.length === 0) return;
  const found = gaps.map(({ what }) => what).join(", ");
  const mend = gaps.map((gap) => gap.mend).join(", ");
  throw new UsageError(
    `DURABILITY=require, but answers may be lost in a crash, as the database has ${found}: ` +
      `${mend}, or start with DURABILITY=warn`,
  );
}

/** Listens for good: npm passes on a Ctrl-C that came already, and a second one must not kill. */
function signalled(name: string): Promise<string> {
  return new Promise((resolve) => process.on(name, () => resolve(name)));
}

function banner(
  { tlsCert }: Config,
  server: Serving,
  admin: Admin | undefined,
  database: Database,
): string {
  const address = addressText(server.address);
  const [tls, scheme] = tlsCert === undefined ? ["no TLS", "http"] : ["TLS", "https"];
  return `Points listens on ${address} (gRPC, gRPC-Web, Connect and JSON; ${tls})
Database: ${database.about}
Metrics: ${admin === undefined ? "off" : `http://${addressText(admin.address)}/metrics`}
Try:  npm run demo
      curl -H 'content-type: application/json' -d '{"userId":"ada"}' \\
        ${scheme}://${address}/points.v1.PointsService/GetOrCreate
Stop: Ctrl-C`;
}
