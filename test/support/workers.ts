import { readFile } from "node:fs/promises";
import type { SecureClientSessionOptions } from "node:http2";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { onTestFinished } from "vitest";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { tokenOf } from "./callers.ts";
import { testDatabase, type TestDatabase } from "./database.ts";
import { type RunningPoints, startPoints } from "./processes.ts";

/** A server with two workers, on its own database. */
export type TwoWorkers = RunningPoints & { readonly query: TestDatabase["query"] };

/** Starts a server with two workers; `environment` as in production. */
export async function startTwoWorkers(
  environment: Readonly<Record<string, string>> = {},
): Promise<TwoWorkers> {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const given = { DATABASE_URL: database.url, WORKERS: "2", ...environment };
  return { ...(await startPoints(given)), query: database.query };
}

/** The worker processes, including those that are starting; Linux only. */
export async function workersOf({ child: { pid } }: RunningPoints): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return children.trim().split(" ").filter(Boolean).map(Number);
}

/** The status of the admin port's answer. */
export async function adminStatus({ stdout }: RunningPoints, path: string): Promise<number> {
  const [, metrics] = /Metrics: (\S+)/.exec(stdout()) ?? [];
  return (await fetch(new URL(path, metrics))).status;
}

/** The price list's version at the worker that gets the next connection. */
export async function priceVersion(
  { port, stdout }: RunningPoints,
  nodeOptions: SecureClientSessionOptions = {},
): Promise<string> {
  const isSecure = stdout().includes("; TLS)");
  const baseUrl = `${isSecure ? "https" : "http"}://localhost:${port}`;
  const sessionManager = new Http2SessionManager(baseUrl, undefined, nodeOptions);
  const headers = { authorization: `Bearer ${tokenOf("one")}` };
  try {
    const transport = createGrpcTransport({ baseUrl, sessionManager });
    const { listPrices } = createClient(PointsService, transport);
    return (await listPrices({}, { headers })).priceVersion;
  } finally {
    sessionManager.abort();
  }
}
