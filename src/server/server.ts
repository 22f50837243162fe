import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { Logger } from "pino";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { createBatcher } from "../commit/batcher.ts";
import { commit, type Result } from "../commit/commit.ts";
import { laneNumber } from "../commit/lane.ts";
import type { Config } from "../config.ts";
import type { Command } from "../ledger/command.ts";
import { completeErrors, errorTranslation, validation } from "../rpc/interceptors.ts";
import { pointsService } from "../rpc/points.ts";
import type { Orm } from "../store/orm.ts";
import { startSweeper } from "../sweep.ts";
import { watchDatabase } from "./database-watch.ts";
import { boundDeadline } from "./deadline.ts";
import { createHealth } from "./health.ts";
import { type Handler, listen } from "./listen.ts";
import { reflectionRoutes } from "./reflection.ts";
import { unknownRpc } from "./unknown-rpc.ts";

/** A server that answers. */
export type PointsServer = {
  readonly address: { readonly host: string; readonly port: number };
  /** Stops admitting, commits and answers what is queued, and closes, within `drainMs`. */
  stop(): Promise<void>;
};

/**
 * Starts serving on a database whose schema is up to date.
 *
 * @throws if the address cannot be listened on
 */
export async function startServer(config: Config, orm: Orm, log: Logger): Promise<PointsServer> {
  const batcher = createBatcher<Command, Result>({
    lanes: config.lanes,
    laneOf: ({ userId }) => laneNumber(userId),
    run: (commands) => commit(orm, commands),
    batchMaxOps: config.batchMaxOps,
    queueMaxOps: config.queueMaxOps,
  });
  const health = createHealth([PointsService.typeName]);

  const routes = (router: ConnectRouter) => {
    router.service(PointsService, pointsService(batcher.submit));
    health.routes(router);
    reflectionRoutes([PointsService, Health])(router);
  };
  const listener = await listen(config.listen, handlerOf(config, log, routes));
  const watch = watchDatabase(orm, log, health.setServing);
  const sweeper = startSweeper(orm, batcher.submit, config.sweepSeconds, log);

  return {
    address: listener.address,
    async stop() {
      await watch.stop();
      health.setServing(false);
      await sweeper.stop();
      health.close();
      await listener.close(config.drainMs);
      await batcher.drain();
    },
  };
}

function handlerOf(config: Config, log: Logger, routes: (router: ConnectRouter) => void): Handler {
  const adapter = connectNodeAdapter({
    routes,
    interceptors: [errorTranslation(log), validation()],
    requestGate: completeErrors,
    readMaxBytes: config.messageMaxBytes,
    // An answer repeats what was asked and adds to it; it must never be what fails.
    writeMaxBytes: 16 * config.messageMaxBytes,
    fallback: unknownRpc,
    // People read the JSON: a balance of 0 is worth saying.
    jsonOptions: { alwaysEmitImplicit: true },
  });
  const deadlines = { defaultMs: config.deadlineDefaultMs, maxMs: config.deadlineMaxMs };
  return (request, response) => {
    const streams = request.url?.startsWith(`/${PointsService.typeName}/`) !== true;
    boundDeadline(request.headers, streams, deadlines);
    adapter(request, response);
  };
}
