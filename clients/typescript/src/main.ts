import type { Interceptor, Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { createLedgerClient, createPointsClient, createPolicyClient } from "points/client";
import { playScenario } from "./scenario.js";

// npm start -- [HOST:PORT] [--web]

const args = process.argv.slice(2);
const baseUrl = `http://${args.find((arg) => !arg.startsWith("--")) ?? "127.0.0.1:50051"}`;
const isWeb = args.includes("--web");

/** Adds the token to each call, if one is set. */
const authorize: Interceptor = (next) => (request) => {
  const token = process.env["POINTS_TOKEN"];
  if (token !== undefined) request.header.set("authorization", `Bearer ${token}`);
  return next(request);
};

const options = { baseUrl, interceptors: [authorize], defaultTimeoutMs: 5_000 };
const transport: Transport = isWeb ? createGrpcWebTransport(options) : createGrpcTransport(options);

const clients = {
  points: createPointsClient(transport),
  policies: createPolicyClient(transport),
  ledger: createLedgerClient(transport),
};
await playScenario(clients, { streamsBothWays: !isWeb });
