import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter, type ConnectNodeAdapterOptions } from "@connectrpc/connect-node";
import { pino } from "pino";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { openAccess } from "../../src/auth/access.ts";
import { readConfig } from "../../src/config/environment.ts";
import { readPrices, SHIPPED_PRICES } from "../../src/rpc/price-file.ts";
import {
  authorization,
  completeErrors,
  errorCompleter,
  errorTranslation,
  errorTranslator,
  validation,
} from "../../src/rpc/interceptors.ts";
import { pointsService } from "../../src/rpc/points.ts";
import { serverTime } from "../../src/rpc/prices.ts";
import { createWatchers } from "../../src/rpc/watch.ts";
import { laggingReads } from "../../src/store/reads/lagging.ts";
import { openOrm } from "../../src/store/driver/orm.ts";
import { fastUnary } from "../../src/transport/fast-unary.ts";
import { listenLimits } from "../../src/transport/listen-limits.ts";
import { listen } from "../../src/transport/listen.ts";
import { consumeInTransaction } from "./orm-transaction.ts";

// Baseline: a server with one ORM transaction per request, behind the same transport, validation and
// translation as Points, so that only the commit differs. It serves Consume.

/** The maximum of database connections. */
const POOL_MAX = 16;

const config = readConfig(process.env);
const orm = await openOrm(config.databaseUrl!, POOL_MAX);
const log = pino({ level: config.logLevel }, pino.destination(2));
const prices = readPrices(SHIPPED_PRICES);
const uncounted = () => {};
const toError = errorTranslator(log, uncounted);
const completeError = errorCompleter(uncounted);
const access = openAccess({ config, log, toError, refused: uncounted });
const backend = {
  submit: consumeInTransaction(orm),
  hasRoom: () => true,
  rate: access.rate,
  stopping: new AbortController().signal,
  toError,
  orm,
  laggingLists: laggingReads({ primary: orm, standby: undefined }),
  prices: () => prices,
  watchers: createWatchers(orm, log),
  answerMaxBytes: config.messageOutMaxBytes,
  now: serverTime,
};
const shared = {
  routes: (router: ConnectRouter) => void router.service(PointsService, pointsService(backend)),
  interceptors: [errorTranslation(toError), validation(), authorization()],
  acceptCompression: [],
  jsonOptionsOf: () => ({}),
  requestLimit: () => config.messageMaxBytes,
  writeMaxBytes: config.messageOutMaxBytes,
  completeError,
};
const requestGate: ConnectNodeAdapterOptions["requestGate"] = (context) =>
  completeErrors(context, completeError);
const readMaxBytes = config.messageMaxBytes;
const adapter = connectNodeAdapter({ ...shared, readMaxBytes, requestGate });
const deadlines = { defaultMs: config.deadlineDefaultMs, maxMs: config.deadlineMaxMs };
const { address, close } = await listen({
  address: config.listen,
  handler: adapter,
  tryHandle: fastUnary(shared, { deadlines, access, guard: () => undefined }),
  limits: listenLimits(config),
});
process.once("SIGTERM", () => {
  access.close();
  void Promise.all([backend.watchers.close(), close(0)]).then(() => orm.close());
});
console.log(`ORM baseline listens on ${address.host}:${address.port} `);
