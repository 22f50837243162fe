import type { Logger } from "pino";
import { addressText } from "../config/address.ts";
import type { Config } from "../config/environment.ts";
import { reloadOnHangup } from "../config/reload.ts";
import { UserError } from "../errors/user-error.ts";
import type { FirstPolicy } from "../ledger/first-policies.ts";
import { type Database, openDatabase } from "../postgres/database.ts";
import { readFirstPolicies } from "../rpc/policy-file.ts";
import { type Prices, readPrices, SHIPPED_PRICES } from "../rpc/price-file.ts";
import { lengthText, readTestClock, type TestClock } from "../store/driver/test-clock.ts";
import { type Admin, type AdminSources, serveAdmin } from "../telemetry/admin.ts";
import { createLog } from "../telemetry/log.ts";
import { openConfigFiles } from "./config-files.ts";
import { checkInsecureListen } from "./insecure-listen.ts";
import { serveWithOneProcess, type Serving } from "./one-process.ts";
import { ANSWER_MAX_MS, readyDatabase } from "./ready-database.ts";
import { stopSignals } from "./stop-signals.ts";
import { isWorker, joinOthers, leaveOthers, shareReadiness } from "./worker.ts";
import { serveWithWorkers } from "./workers.ts";

/** Serves until a signal asks to stop, or until the database is gone for good. */
export async function serve(config: Config): Promise<void> {
  const log = createLog(config.logLevel);
  const { requested, hurried } = isWorker ? await joinOthers() : stopSignals();
  const warnings = checkInsecureListen(config);
  if (!isWorker) for (const warning of warnings) log.warn(warning);
  // Files are read before the database is opened: a broken one is reported at once.
  const start = config.workers > 1 ? withWorkers(config, log) : withOneProcess(config, log);
  const database = await openDatabase(config, ANSWER_MAX_MS);
  try {
    await readyDatabase(config, database);
    const clock = config.testClock ? await readTestClock(database.orm.em.fork()) : undefined;
    if (!isWorker && clock !== undefined) log.warn(`the clock is ${clockText(clock)}`);
    const server = await start(database).catch(unserved);
    let isStopping = false;
    const isReady = async () => !isStopping && (await server.isReady());
    if (isWorker) shareReadiness(isReady);
    const sources = { scrape: server.scrape, isReady, testClock: config.testClock };
    const admin = await startAdmin(config, server, sources).catch(async (cause: unknown) => {
      await server.stop(AT_ONCE);
      return unserved(cause);
    });
    if (!isWorker) console.log(banner(config, server, { admin, database, clock }));

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

/** @throws {UserError} if a file of the configuration cannot be used */
function withWorkers(config: Config, log: Logger): Start {
  const files = openConfigFiles(config, log);
  return ({ url }) => serveWithWorkers({ ...config, databaseUrl: url }, files, log);
}

/** @throws {UserError} if the price list, or the file of policies, cannot be used */
function withOneProcess(config: Config, log: Logger): Start {
  const prices = pricesInForce(config.prices ?? SHIPPED_PRICES, log);
  const firstPolicies = policiesInForce(config.policies, log);
  return (database) => serveWithOneProcess({ config, database, prices, firstPolicies, log });
}

/** Hot reload of the price list: as at the start, or at the last SIGHUP that found no mistake. */
function pricesInForce(path: string, log: Logger): () => Prices {
  let prices = readPrices(path);
  const read = () => {
    prices = readPrices(path);
    const versions = prices.lists.map(({ version }) => version);
    log.info({ versions }, "these price lists are in force");
  };
  reloadOnHangup({ files: [path], read, log, what: "prices" });
  return () => prices;
}

/** Hot reload of the policies that new accounts get, as of the price list. */
function policiesInForce(path: string | undefined, log: Logger): () => readonly FirstPolicy[] {
  let policies = readFirstPolicies(path);
  if (path === undefined) return () => policies;
  const read = () => {
    policies = readFirstPolicies(path);
    const names = policies.map(({ name }) => name);
    log.info({ names }, "new accounts get these policies");
  };
  reloadOnHangup({ files: [path], read, log, what: "policies" });
  return () => policies;
}

/** By default on loopback, at the port after the RPCs' one: two servers do not collide. */
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

function clockText({ ahead }: TestClock): string {
  const soFar = lengthText(ahead);
  return `for tests alone (TEST_CLOCK=1): "points clock advance" sets it forward, so far by ${soFar}`;
}

const DATABASE_LOST = "the embedded PostgreSQL has stopped";
const AT_ONCE = Promise.resolve();

type Told = {
  readonly admin: Admin | undefined;
  readonly database: Database;
  readonly clock: TestClock | undefined;
};

function banner(
  { tlsCert, console }: Config,
  server: Serving,
  { admin, database, clock }: Told,
): string {
  const address = addressText(server.address);
  const [tls, scheme] = tlsCert === undefined ? ["no TLS", "http"] : ["TLS", "https"];
  return `Points listens on ${address} (gRPC, gRPC-Web, Connect and JSON; ${tls})
Database: ${database.about}${clock === undefined ? "" : `\nClock: ${clockText(clock)}`}
Metrics: ${admin === undefined ? "off" : `http://${addressText(admin.address)}/metrics`}
Console: ${console ? `${scheme}://${address}/console/` : "off"}
Try:  npm run demo
      curl -H 'content-type: application/json' -d '{"userId":"ada"}' \\
        ${scheme}://${address}/points.v1.PointsService/GetOrCreate
Stop: Ctrl-C`;
}
