import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { collectDefaultMetrics } from "prom-client";
import { type Address, addressText } from "../config/address.ts";
import type { Config } from "../config/environment.ts";
import { readPrices, SHIPPED_PRICES } from "../config/price-file.ts";
import { reloadOnHangup } from "../config/reload.ts";
import { unusable, UserError } from "../errors/user-error.ts";
import type { PriceList } from "../ledger/prices.ts";
import { closePool, type Database, openDatabase } from "../postgres/database.ts";
import { durabilityGaps } from "../store/driver/durability.ts";
import { openOrm } from "../store/driver/orm.ts";
import { migrate, pendingMigrations } from "../store/schema/migrate.ts";
import { type Admin, type AdminSources, serveAdmin } from "../telemetry/admin.ts";
import { createLog } from "../telemetry/log.ts";
import { openFiles } from "./config-files.ts";
import { checkDoor } from "./insecure-listen.ts";
import { startServer } from "./start.ts";
import { stopSignals } from "./stop-signals.ts";
import { isWorker, joinOthers, leaveOthers, shareMetrics, shareReadiness } from "./worker.ts";
import { startWorkers } from "./workers.ts";

// Nothing that a server asks takes so long: locks are waited for 2 s at the most.
const ANSWER_MAX_MS = 10_000;
const READS_MAX_CONNECTIONS = 5;

/** What serves: this process, or its workers. */
export type Serving = {
  readonly address: Address;
  /** The metrics in Prometheus' text format. */
  readonly scrape: () => Promise<string>;
  /** Whether calls are answered now. */
  readonly isReady: () => Promise<boolean>;
  /**
   * Says NOT_SERVING for `lameDuckMs`, while all is served; then answers what is queued, and ends.
   *
   * @param hurried ends the lame duck
   */
  readonly stop: (hurried: Promise<void>) => Promise<void>;
};

/** Serves until it is told to stop, or until its database is gone for good. */
export async function serve(config: Config): Promise<void> {
  const log = createLog(config.logLevel);
  const { requested, hurried } = isWorker ? await joinOthers() : stopSignals();
  const warnings = checkDoor(config);
  if (!isWorker) for (const warning of warnings) log.warn(warning);
  const start = config.workers > 1 ? severalOf(config, log) : oneOf(config, log);
  const database = await openDatabase(config, ANSWER_MAX_MS);
  try {
    await prepareSchema(config, database).catch(unusable);
    // A worker that is replaced meanwhile starts, and says NOT_SERVING.
    if (config.durability === "require" && !isWorker) await checkDurable(database).catch(unusable);
    const server = await start(database).catch(unserved);
    let isStopping = false;
    const isReady = async () => !isStopping && (await server.isReady());
    if (isWorker) shareReadiness(isReady);
    const sources = { scrape: server.scrape, isReady };
    const admin = await startAdmin(config, server, sources).catch(async (cause: unknown) => {
      await server.stop(AT_ONCE);
      return unserved(cause);
    });
    if (!isWorker) console.log(banner(config, server, admin, database));

    const lost = database.lost.then(() => DATABASE_LOST);
    const reason = await Promise.race([requested, lost]);
    log.info({ reason }, "stopping");
    isStopping = true;
    await server.stop(reason === DATABASE_LOST ? AT_ONCE : hurried);
    admin?.close();
    if (reason === DATABASE_LOST) throw new UserError(`${DATABASE_LOST}. Start again.`);
  } finally {
    await database.close();
    leaveOthers();
  }
}

type Start = (database: Database) => Promise<Serving>;

/** @throws if a file of the configuration cannot be used */
function severalOf(config: Config, log: Logger): Start {
  const files = openFiles(config, log);
  return ({ url }) => startWorkers(config, url, files, log);
}

/** @throws if the price list cannot be used */
function oneOf(config: Config, log: Logger): Start {
  const prices = pricesInForce(config.prices ?? SHIPPED_PRICES, log);
  return (database) => startOne(config, database, prices, log);
}

async function startOne(
  config: Config,
  { orm: batches, url, lost }: Database,
  prices: () => PriceList,
  log: Logger,
): Promise<Serving> {
  // It is only loaded where it is wanted.
  const traced = config.otlpEndpoint === undefined ? undefined : import("../telemetry/tracing.ts");
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
    isReady: () => Promise.resolve(server.isServing()),
    async stop(hurried) {
      server.announceStop();
      await pause(config.lameDuckMs, hurried);
      await server.stop();
      await closePool(reads);
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
  throw new UserError(`cannot serve: ${cause instanceof Error ? cause.message : String(cause)}`);
}

const DATABASE_LOST = "the embedded PostgreSQL has stopped";
const AT_ONCE = Promise.resolve();

/** Waits so long, or until somebody is in a hurry. */
async function pause(ms: number, hurried: Promise<void>): Promise<void> {
  const waiting = new AbortController();
  void hurried.then(() => waiting.abort());
  await sleep(ms, undefined, { signal: waiting.signal }).catch(() => {});
}

/** The price list as it was at start, or at the last SIGHUP at which it had no mistake. */
function pricesInForce(path: string, log: Logger): () => PriceList {
  let list = readPrices(path);
  const read = () => {
    list = readPrices(path);
    log.info({ version: list.version }, "this price list is in force");
  };
  reloadOnHangup({ files: [path], read, log, what: "prices" });
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
    throw new UserError(
      `the database lacks ${pending.join(", ")}, and MIGRATE=off: run "npm run migrate" first`,
    );
  }
}

/** @throws {UserError} if answers could be lost */
async function checkDurable({ orm }: Database): Promise<void> {
  const gaps = await durabilityGaps(orm.em.fork());
  if (gaps.length === 0) return;
  const found = gaps.map(({ what }) => what).join(", ");
  const mend = gaps.map((gap) => gap.mend).join(", ");
  throw new UserError(
    `DURABILITY=require, but answers may be lost in a crash, as the database has ${found}: ` +
      `${mend}, or start with DURABILITY=warn`,
  );
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
