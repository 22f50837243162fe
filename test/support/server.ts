import type { SecureClientSessionOptions } from "node:http2";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { pino } from "pino";
import { readConfig } from "../../src/config/environment.ts";
import { readFirstPolicies } from "../../src/rpc/policy-file.ts";
import { readPrices, SHIPPED_PRICES } from "../../src/rpc/price-file.ts";
import { startServer } from "../../src/server/start.ts";
import { type Api, apiOf } from "./api.ts";
import { testDatabase, type TestDatabase } from "./database.ts";
import { PATIENCE } from "./patience.ts";

/** A server in this process, on a free port and its own database, and a client of it. */
export type TestServer = {
  readonly baseUrl: string;
  readonly port: number;
  readonly client: Api;
  readonly transport: Transport;
  readonly database: TestDatabase;
  /** The metrics as Prometheus would scrape them. */
  metrics(): Promise<string>;
  stop(): Promise<void>;
};

/**
 * Starts a server by the environment, as in production.
 *
 * @param nodeOptions the client's options, such as certificates
 */
export async function testServer(
  environment: Record<string, string> = {},
  database?: TestDatabase,
  nodeOptions: SecureClientSessionOptions = {},
): Promise<TestServer> {
  const db = database ?? (await testDatabase());
  // The projector's statements would be among those that tests count.
  const fixed = { LISTEN: "127.0.0.1:0", PROJECT: "off" };
  const config = readConfig({ ...fixed, ...PATIENCE, ...environment });
  const prices = readPrices(config.prices ?? SHIPPED_PRICES);
  const firstPolicies = readFirstPolicies(config.policies);
  const inForce = { prices: () => prices, firstPolicies: () => firstPolicies };
  const log = pino({ level: "silent" });
  const { orm, standby: one } = db;
  const standby = one && { reads: one, streams: one, sums: one, looks: one };
  const databases = { batches: orm, reads: orm, streams: orm, sums: orm, standby };
  const server = await startServer({ config, databases, ...inForce, log });
  const { port } = server.address;
  const baseUrl = `${config.tlsCert === undefined ? "http" : "https"}://127.0.0.1:${port}`;
  const transport = createGrpcTransport({ baseUrl, nodeOptions });
  return {
    baseUrl,
    port,
    client: apiOf(transport),
    transport,
    database: db,
    metrics: () => server.metrics.registry.metrics(),
    async stop() {
      await server.stop();
      if (database === undefined) await db.close();
    },
  };
}
