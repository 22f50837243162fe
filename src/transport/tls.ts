import { constants } from "node:crypto";
import * as tls from "node:tls";
import type { Logger } from "pino";
import type { Config } from "../config/environment.ts";
import { readText, reloadOnChange } from "../config/reload.ts";
import { UserError } from "../errors/user-error.ts";

/** Options of a TLS server; only the certificates may change while it runs. */
export type TlsOptions = tls.SecureContextOptions & tls.TlsOptions;

/**
 * Reads the certificates that the configuration names, and checks that they fit together.
 *
 * @returns undefined if it names none
 * @throws {UserError} if a file cannot be read or used
 */
export function readTls({ tlsCert, tlsKey, tlsClientCa }: Config): TlsOptions | undefined {
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  const asksClients = tlsClientCa !== undefined;
  const options = {
    cert: readPem("TLS_CERT", tlsCert),
    key: readPem("TLS_KEY", tlsKey),
    ...(asksClients ? { ca: readPem("TLS_CLIENT_CA", tlsClientCa) } : {}),
    minVersion: "TLSv1.3",
    requestCert: asksClients,
    rejectUnauthorized: asksClients,
    // No session resumption: it would skip the check against a CA that may have been replaced.
    ...(asksClients ? { secureOptions: constants.SSL_OP_NO_TICKET } : {}),
  } as const;
  try {
    tls.createSecureContext(options);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UserError(`TLS_CERT, TLS_KEY or TLS_CLIENT_CA cannot be used: ${why}`, { cause });
  }
  return options;
}

/**
 * Hot reload: reads the certificates again whenever one of their files changes.
 *
 * @returns a function that stops watching
 */
export function watchTls(
  config: Config,
  log: Logger,
  onChange: (options: TlsOptions) => void,
): () => void {
  const files = [config.tlsCert, config.tlsKey, config.tlsClientCa].filter(
    (file) => file !== undefined,
  );
  const read = () => {
    const options = readTls(config);
    if (options !== undefined) onChange(options);
  };
  return reloadOnChange({ files, read, log, what: "certificates" });
}

function readPem(name: string, path: string): string {
  try {
    return readText(path);
  } catch (cause) {
    throw new UserError(`${name}: cannot read ${path}`, { cause });
  }
}
