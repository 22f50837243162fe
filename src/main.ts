import { pino } from "pino";
import { ConfigError, type Config, describeConfig, readConfig } from "./config.ts";
import { EmbeddedFailure, startEmbedded } from "./embedded.ts";
import { startServer } from "./server/server.ts";
import { durabilityGaps } from "./store/durability.ts";
import { faultOf } from "./store/faults.ts";
import { migrate, pendingMigrations } from "./store/migrate.ts";
import { openOrm, type Orm } from "./store/orm.ts";

const HELP = `Points: a ledger of users' points, over gRPC, on PostgreSQL.

Usage: npm start                 serve
       npm run migrate           bring the database's schema up to date, and exit

Everything is set by environment variables:

${describeConfig()}
`;

const DATABASE_LOST = "the embedded PostgreSQL has stopped";

/** What a person did wrong; anything else that is thrown here is a bug, and shows its stack. */
class UsageError extends Error {}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const expected =
    error instanceof UsageError || error instanceof ConfigError || error instanceof EmbeddedFailure;
  console.error(expected ? `points: ${error.message}` : error);
  process.exit(1);
}

async function main(args: readonly string[]): Promise<void> {
  if (args.includes("--help") || args.includes("-h")) return console.log(HELP);
  const [command = "serve", ...rest] = args;
  if (rest.length > 0 || !["serve", "migrate"].includes(command)) {
    throw new UsageError(`unknown arguments: ${args.join(" ")}\n\n${HELP}`);
  }
  const config = readConfig(process.env);
  await (command === "migrate" ? runMigrate(config) : serve(config));
}

async function serve(config: Config): Promise<void> {
  const log = pino({ level: config.logLevel }, pino.destination(2));
  const stopRequested = Promise.race(["SIGTERM", "SIGINT"].map(signalled));
  const database = await openDatabase(config);
  try {
    await prepareSchema(config, database.orm).catch(unusable);
    for (const gap of await durabilityGaps(database.orm.em.fork())) {
      log.warn(`answers may be lost in a power cut: the database has ${gap}`);
    }
    const server = await startServer(config, database.orm, log).catch((cause: unknown) => {
      throw new UsageError(`cannot listen: ${cause instanceof Error ? cause.message : String(cause)}`);
    });
    console.log(banner(server.address, database.about));

    const reason = await Promise.race([stopRequested, database.lost]);
    log.info({ reason }, "stopping");
    await server.stop();
    if (reason === DATABASE_LOST) throw new EmbeddedFailure(`${DATABASE_LOST}. Start again.`);
  } finally {
    await database.close();
  }
}

async function runMigrate(config: Config): Promise<void> {
  const database = await openDatabase(config);
  try {
    const names = await migrate(database.orm).catch(unusable);
    console.log(names.length === 0 ? "the schema is up to date" : `applied ${names.join(", ")}`);
  } finally {
    await database.close();
  }
}

type Database = {
  readonly orm: Orm;
  /** For people. */
  readonly about: string;
  /** Resolves if it is gone for good. */
  readonly lost: Promise<string>;
  close(): Promise<void>;
};

async function openDatabase({ databaseUrl, dataDir, lanes }: Config): Promise<Database> {
  // One connection a lane, and some for the sweeper, the health check and the migrations.
  const poolMax = lanes + 3;
  if (databaseUrl !== undefined) {
    const orm = await openOrm(databaseUrl, poolMax);
    const { host, pathname } = new URL(databaseUrl);
    const about = `PostgreSQL at ${host}${pathname}`;
    return { orm, about, lost: new Promise(() => {}), close: () => orm.close() };
  }
  const embedded = await startEmbedded(dataDir);
  const orm = await openOrm(embedded.url, poolMax);
  return {
    orm,
    about: `its own PostgreSQL in ${dataDir} (psql -h ${embedded.socketFolder} -U points)`,
    lost: embedded.lost.then(() => DATABASE_LOST),
    async close() {
      await orm.close();
      await embedded.stop();
    },
  };
}

async function prepareSchema(config: Config, orm: Orm): Promise<void> {
  if (config.migrate) {
    await migrate(orm);
    return;
  }
  const pending = await pendingMigrations(orm.em.fork());
  if (pending.length > 0) {
    throw new UsageError(
      `the database lacks ${pending.join(", ")}, and MIGRATE=off: run "npm run migrate" first`,
    );
  }
}

/** A database that is away, or that refuses us, is not a bug. */
function unusable(cause: unknown): never {
  if (faultOf(cause) === "bug") throw cause;
  throw new UsageError(`cannot use the database: ${(cause as Error).message}`);
}

/** Listens for good: npm passes on a Ctrl-C that came already, and a second one must not kill. */
function signalled(name: string): Promise<string> {
  return new Promise((resolve) => process.on(name, () => resolve(name)));
}

function banner({ host, port }: { host: string; port: number }, database: string): string {
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return `Points listens on ${address} (gRPC, gRPC-Web, Connect and JSON; no TLS)
Database: ${database}
Try:  npm run demo
      curl -H 'content-type: application/json' -d '{"userId":"ada"}' \\
        http://${address}/points.v1.PointsService/GetOrCreate
Stop: Ctrl-C`;
}
