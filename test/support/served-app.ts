import type { SecureClientSessionOptions } from "node:http2";
import { writeFile } from "node:fs/promises";
import * as tls from "node:tls";
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { onTestFinished } from "vitest";
import { SCOPES } from "../../src/auth/caller.ts";
import { type Api, apiOf } from "./api.ts";
import { type Callers, tokenOf, writeCallers } from "./callers.ts";
import { type Authority, makeAuthority, writeCertificate } from "./certificates.ts";
import type { TestDatabase } from "./database.ts";
import { temporaryFolder, until } from "./processes.ts";
import { testServer, type TestServer } from "./server.ts";

/** A server until the end of the test, and a client with the caller's credentials. */
export type Served = {
  readonly server: TestServer;
  readonly transport: Transport;
  readonly client: Api;
};

/** Starts a server, and a client that sends a token or shows a certificate. */
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
  return { server, transport, client: apiOf(transport) };
}

/** Adds a bearer token to each call. */
export function sending(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}

/** An app with all scopes. */
export const MAY_ALL: Callers[string] = { scopes: [...SCOPES] };

/** The file must name at least one caller. */
const STAYS: Callers = { other: MAY_ALL };

/** A server with the caller "app" in its callers' file, and a client of it. */
export type ServedApp = Served & {
  /** Replaces the callers in the file, except one, and reloads it (hot reload). */
  become(callers: Callers): Promise<void>;
  /** Does the same with a file that is invalid. */
  breakFile(): Promise<void>;
};

/** Starts a server for an app with a token. */
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

/** A server that knows "app" by its certificate, which is valid for a day (mutual TLS). */
export type CertifiedApp = Omit<ServedApp, "breakFile"> & {
  /** The authority that signed the server's and the app's certificates. */
  readonly authority: Authority;
  /** The TLS options of the app's connections. */
  readonly nodeOptions: { ca: string; cert: string; key: string };
  /** Replaces the trusted client CAs; resolves when the server has reloaded them. */
  trust(...authorities: [Authority, ...Authority[]]): Promise<void>;
};

/** Starts a server for an app with a certificate. */
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

/** Whether the TLS handshake succeeds. */
function isAnswered(options: tls.ConnectionOptions): Promise<boolean> {
  const socket = tls.connect(options);
  socket.write("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
  return new Promise((resolve) => {
    socket.once("data", () => resolve(true));
    socket.once("error", () => resolve(false)).once("close", () => resolve(false));
  });
}
