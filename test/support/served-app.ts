import type { SecureClientSessionOptions } from "node:http2";
import { writeFile } from "node:fs/promises";
import * as tls from "node:tls";
import { type Client, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { onTestFinished } from "vitest";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { SCOPES } from "../../src/auth/caller.ts";
import { type Callers, tokenOf, writeCallers } from "./callers.ts";
import { type Authority, makeAuthority, writeCertificate } from "./certificates.ts";
import type { TestDatabase } from "./database.ts";
import { temporaryFolder, until } from "./processes.ts";
import { testServer, type TestServer } from "./server.ts";

/** A server until the end of the test, and a client of it with the caller's credentials. */
export type Served = {
  readonly server: TestServer;
  readonly transport: Transport;
  readonly client: Client<typeof PointsService>;
};

/** Serves a caller who sends a token, or shows a certificate. */
export async function serve(
  database: TestDatabase,
  environment: Record<string, string>,
  {
    token,
    nodeOptions = {},
  }: {
    readonly token?: string;
    readonly nodeOptions?: SecureClientSessionOptions;
  },
): Promise<Served> {
  const server = await testServer(environment, database);
  onTestFinished(() => server.stop());
  const interceptors = token === undefined ? [] : [sending(token)];
  const transport = createGrpcTransport({ baseUrl: server.baseUrl, nodeOptions, interceptors });
  return { server, transport, client: createClient(PointsService, transport) };
}

/** Sends a token with each call. */
export function sending(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}

/** What an app may do that may do all. */
export const MAY_ALL: Callers[string] = { scopes: [...SCOPES] };

/** The file must name somebody. */
const STAYS: Callers = { other: MAY_ALL };

/** A server with "app" in its file of callers, who calls. */
export type ServedApp = Served & {
  /** Writes who may call from now on, beside another, and has it read. */
  become(callers: Callers): Promise<void>;
  /** The same, with a file that is none of callers. */
  breakFile(): Promise<void>;
};

/** Serves an app by its token. */
export async function serveApp(
  database: TestDatabase,
  app: Callers[string] = MAY_ALL,
  environment: Record<string, string> = {},
): Promise<ServedApp> {
  const folder = await temporaryFolder();
  const callers = await writeCallers(folder, { app, ...STAYS });
  const token = tokenOf("app");
  return {
    ...(await serve(database, { ...callers, ...environment }, { token })),
    async become(changed) {
      await writeCallers(folder, { ...changed, ...STAYS });
      process.emit("SIGHUP");
    },
    async breakFile() {
      await writeFile(callers.CALLERS, "callers: {}");
      process.emit("SIGHUP");
    },
  };
}

/** A server that knows "app" by its certificate, which is good for a day. */
export type CertifiedApp = Omit<ServedApp, "breakFile"> & {
  /** It has signed the server's and the app's certificates. */
  readonly authority: Authority;
  /** Of the app's connections. */
  readonly nodeOptions: { ca: string; cert: string; key: string };
  /** Has these sign clients' certificates from now on; resolves when the server has read them. */
  trust(...authorities: [Authority, ...Authority[]]): Promise<void>;
};

/** Serves an app by its certificate. */
export async function serveCertified(database: TestDatabase): Promise<CertifiedApp> {
  const folder = await temporaryFolder();
  const authority = await makeAuthority();
  const TLS_CLIENT_CA = `${folder}/ca.crt`;
  await writeFile(TLS_CLIENT_CA, authority.cert);
  const app = { ...MAY_ALL, certificate: "app.internal" };
  const environment = {
    ...(await writeCertificate(folder, await authority.sign("localhost"))),
    ...(await writeCallers(folder, { app, ...STAYS })),
    TLS_CLIENT_CA,
  };
  const ca = authority.cert;
  const nodeOptions = { ca, ...(await authority.sign("app.internal")) };
  const served = await serve(database, environment, { nodeOptions });
  return {
    ...served,
    authority,
    nodeOptions,
    async trust(...authorities) {
      await writeFile(TLS_CLIENT_CA, authorities.map(({ cert }) => cert).join("\n"));
      const certificate = await authorities[0].sign("stranger.internal");
      await until("the authorities are read", () =>
        isAnswered({ ca, ...certificate, host: "127.0.0.1", port: served.server.port }),
      );
    },
    async become(changed) {
      await writeCallers(folder, { ...changed, ...STAYS });
      process.emit("SIGHUP");
    },
  };
}

/** Whether a connection gets past its handshake. */
function isAnswered(options: tls.ConnectionOptions): Promise<boolean> {
  const socket = tls.connect(options);
  socket.write("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
  return new Promise((resolve) => {
    socket.once("data", () => resolve(true));
    socket.once("error", () => resolve(false)).once("close", () => resolve(false));
  });
}
