import type { Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { type Api, apiOf } from "./api.ts";
import { samplesOf } from "./scrape.ts";
import type { TestServer } from "./server.ts";

// The fast path leaves a call with a query behind its path to Connect's adapter, which ignores it.

/** The path of the same RPC, by which Connect's adapter answers it. */
export function withQuery(path: string): string {
  return `${path}${path.includes("?") ? "&" : "?"}via=connect`;
}

/** Has Connect's adapter answer each call. */
export const viaConnect: Interceptor = (next) => (request) =>
  next({ ...request, url: withQuery(request.url) });

/** A client of a server by gRPC. */
export function clientOf({ baseUrl }: TestServer, interceptors: Interceptor[]): Api {
  return apiOf(createGrpcTransport({ baseUrl, interceptors }));
}

/** How many calls the fast path of a server has answered, or is answering. */
export async function fastPathCalls({ metrics }: TestServer): Promise<number> {
  const samples = samplesOf(await metrics());
  return samples.find(({ name }) => name === "points_fast_path_calls_total")!.value;
}
